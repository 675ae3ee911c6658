// Files that the page hands in, part by part: they stay with the runtime until a command takes them.

import { ask } from './api';

/** Names a file that was handed in. */
export interface Parcel {
  parcel: string;
}

/** The reader has stopped it. */
export class Stopped extends Error {}

async function base64(part: Blob): Promise<string> {
  const read = new FileReader();
  return new Promise((done, failed) => {
    read.onload = () => done(String(read.result).split(',', 2)[1] ?? '');
    read.onerror = () => failed(read.error ?? new Error(''));
    read.readAsDataURL(part);
  });
}

/** Hands a file in. `told` is given the share that is in, from 0 to 1, and says whether to go on. */
export async function handIn(file: File, told: (share: number) => boolean): Promise<Parcel> {
  const begun = await ask<Parcel & { part_bytes: number }>('parcel-begin', { name: file.name, bytes: file.size });
  const { parcel } = begun;
  for (let at = 0; at < file.size; at += begun.part_bytes) {
    if (!told(at / file.size)) {
      await giveUp({ parcel });
      throw new Stopped();
    }
    const part = await base64(file.slice(at, at + begun.part_bytes));
    await ask('parcel-add', { parcel, at, part });
  }
  return { parcel };
}

export async function giveUp({ parcel }: Parcel): Promise<void> {
  await ask('parcel-end', { parcel });
}
