// Greenhouse gases by mode: what an average passenger causes on a kilometre, g of CO2.
//
// Source: Transport Scotland, Scottish Transport Statistics No 30, table 5.15: all cars, bus, national rail, light rail and
// tram, domestic flights, in Great Britain in 2010 (DEFRA). Your own car or train may differ by a factor of two.

export const SOURCE = 'Scottish Transport Statistics No 30, table 5.15 (DEFRA, 2010)';

/** By the modes of the diary; a mode that is not here is not known. */
export const GRAMS_PER_KM: Record<string, number> = {
  WALKING: 0,
  ON_FOOT: 0,
  RUNNING: 0,
  BICYCLING: 0,
  CAR: 129,
  IN_VEHICLE: 129,
  BUS: 135,
  TRAIN: 57,
  TRAM: 77,
  SUBWAY: 77,
  LIGHT_RAIL: 77,
  AIR_OR_HSR: 172,
};

/** Kilograms of CO2 of metres by mode, and the metres of which the mode is not known. */
export function carbon(modes: Map<string, number>): { kg: number; unknown_m: number } {
  let [kg, unknown_m] = [0, 0];
  for (const [mode, metres] of modes) {
    const grams = GRAMS_PER_KM[mode];
    if (grams === undefined) unknown_m += metres;
    else kg += (grams * metres) / 1e6;
  }
  return { kg, unknown_m };
}
