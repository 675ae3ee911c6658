//! One person's runtime as a whole, tested over simulated days. One program for all of it: each program links the
//! engine, which takes long and a tenth of a gigabyte.

mod accounting;
mod aggregated;
mod audit;
mod clock;
mod days;
mod devices;
mod differences;
mod disk;
mod hostile;
mod imports;
mod installed;
mod kept;
mod kill;
mod languages;
mod marks;
mod policy;
mod rewind;
mod schedule;
mod segmentation;
mod studies;
mod together;
mod unseen;
mod uploads;
