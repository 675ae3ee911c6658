//! How much diary there is: the stage `USER_STATS`.
