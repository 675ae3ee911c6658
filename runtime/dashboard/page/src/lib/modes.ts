// How a mode is drawn: never by colour alone.

export interface Look {
  /** The variable of the colour. */
  group: 'walk' | 'bike' | 'road' | 'rail' | 'other';
  /** Dashes of the line. */
  dash: string;
}

const WALK: Look = { group: 'walk', dash: '2 4' };
const BIKE: Look = { group: 'bike', dash: '8 4' };
const ROAD: Look = { group: 'road', dash: '' };
const RAIL: Look = { group: 'rail', dash: '12 3 3 3' };
const OTHER: Look = { group: 'other', dash: '4 4' };

/** Each way to draw a mode, once. */
export const LOOKS_ALL = [WALK, BIKE, ROAD, RAIL, OTHER];

const LOOKS: Record<string, Look> = {
  WALKING: WALK,
  ON_FOOT: WALK,
  RUNNING: WALK,
  BICYCLING: BIKE,
  CAR: ROAD,
  IN_VEHICLE: ROAD,
  BUS: ROAD,
  TRAIN: RAIL,
  TRAM: RAIL,
  SUBWAY: RAIL,
  LIGHT_RAIL: RAIL,
};

export function look(mode: string): Look {
  return LOOKS[mode] ?? OTHER;
}

/** The modes and purposes that a reader can say; the words are those of the apps. */
export const MODES = ['walk', 'bike', 'drove_alone', 'shared_ride', 'bus', 'train', 'tram', 'scootershare', 'air', 'other_mode'];
export const PURPOSES = ['home', 'work', 'school', 'shopping', 'meal', 'exercise', 'entertainment', 'pick_drop', 'personal_med', 'other_purpose'];
