// The metadata of an entry that a cell makes, as the server's own stages write them.

import { double, jsonText } from './text.js';

const SERVER_ZONE = 'America/Los_Angeles';
/** The difference between the dates of two entries of one run, s: the smallest that a local time shows. */
export const APART_S = 1e-6;

/** The metadata of an entry of that key, written at that moment (s), as JSON. */
export function serverMetadata(key, writeTs) {
  let second = Math.floor(writeTs);
  let micros = roundHalfEven((writeTs - second) * 1e6);
  if (micros === 1e6) {
    second += 1;
    micros = 0;
  }
  const hours = hoursEast(second);
  const local = new Date((second + hours * 3600) * 1000);
  const fraction = micros === 0 ? '' : `.${String(micros).padStart(6, '0')}`;
  const localDt = {
    year: local.getUTCFullYear(),
    month: local.getUTCMonth() + 1,
    day: local.getUTCDate(),
    hour: local.getUTCHours(),
    minute: local.getUTCMinutes(),
    second: local.getUTCSeconds(),
    weekday: (local.getUTCDay() + 6) % 7,
    timezone: SERVER_ZONE,
  };
  const members = {
    key: JSON.stringify(key),
    platform: '"server"',
    write_ts: jsonText(double(writeTs)),
    time_zone: JSON.stringify(SERVER_ZONE),
    write_local_dt: JSON.stringify(localDt),
    write_fmt_time: `"${local.toISOString().slice(0, 19)}${fraction}-0${-hours}:00"`,
  };
  // In the order in which the server's stages write the members.
  return `{${Object.entries(members).map(([name, text]) => `"${name}":${text}`).join(',')}}`;
}

function roundHalfEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** By the clock of the server's zone. A cell has no database of zones; the rule of this one is that of 2007. */
function hoursEast(second) {
  const year = new Date(second * 1000).getUTCFullYear();
  // The second Sunday of March and the first one of November, each at 2:00 by the clock that holds until then.
  const summer = sunday(year, 2, 8) + 10 * 3600;
  const winter = sunday(year, 10, 1) + 9 * 3600;
  return summer <= second && second < winter ? -7 : -8;
}

/** The first Sunday from that day on, s. */
function sunday(year, month, day) {
  const from = new Date(Date.UTC(year, month, day));
  return from.getTime() / 1000 + ((7 - from.getUTCDay()) % 7) * 86400;
}
