// What a map draws, from below: outlines of countries, what the street map has, the tracks of a day.

import type { ExpressionSpecification, LayerSpecification } from 'maplibre-gl';
import { LOOKS_ALL } from '../modes';
import type { Palette } from './palette';

/** What lies between the outlines and what is drawn over them. */
export type Ground = 'outlines' | 'vector' | 'raster';

/** The width of a track, pixels; dashes are told in it. */
const TRACK = 5;
/** Names are written with what the reader's system has. */
const FONT = ['sans-serif'];

/** The kind of a feature, as the newer and the older files of the Protomaps schema say it. */
const KIND: ExpressionSpecification = ['coalesce', ['get', 'kind'], ['get', 'pmap:kind'], ''];

function isOf(...kinds: string[]): ExpressionSpecification {
  return ['in', KIND, ['literal', kinds]];
}

/** A number that grows with the zoom. */
function growing(...stops: [number, number][]): ExpressionSpecification {
  return ['interpolate', ['exponential', 1.6], ['zoom'], ...stops.flat()] as unknown as ExpressionSpecification;
}

function fill(id: string, layer: string, colour: string, filter?: ExpressionSpecification): LayerSpecification {
  const polygons: ExpressionSpecification = ['==', ['geometry-type'], 'Polygon'];
  return {
    id,
    type: 'fill',
    source: 'streets',
    'source-layer': layer,
    filter: filter ? ['all', polygons, filter] : polygons,
    paint: { 'fill-color': colour },
  };
}

function road(id: string, colour: string, kinds: string[], width: ExpressionSpecification, dash?: number[]): LayerSpecification {
  return {
    id,
    type: 'line',
    source: 'streets',
    'source-layer': 'roads',
    filter: isOf(...kinds),
    layout: { 'line-join': 'round', 'line-cap': dash ? 'butt' : 'round' },
    paint: { 'line-color': colour, 'line-width': width, ...(dash ? { 'line-dasharray': dash } : {}) },
  };
}

/** The layers of the Protomaps schema that help to know a place again. */
function streets(colours: Palette): LayerSpecification[] {
  const { sea, land, green, way, street, building, border } = colours;
  const text = { 'text-color': colours.name, 'text-halo-color': colours.halo, 'text-halo-width': 1.5 };
  return [
    fill('earth', 'earth', land),
    fill('landcover', 'landcover', green, isOf('forest', 'grassland', 'scrub')),
    fill('landuse', 'landuse', green, isOf('park', 'forest', 'wood', 'nature_reserve', 'national_park', 'cemetery', 'grass', 'meadow')),
    fill('water', 'water', sea),
    {
      id: 'rivers',
      type: 'line',
      source: 'streets',
      'source-layer': 'water',
      filter: ['==', ['geometry-type'], 'LineString'],
      paint: { 'line-color': sea, 'line-width': growing([8, 0.5], [16, 6]) },
    },
    { ...fill('buildings', 'buildings', building), minzoom: 13 } as LayerSpecification,
    road('paths', way, ['path'], growing([13, 0.5], [18, 3]), [3, 2]),
    road('rails', way, ['rail'], growing([8, 0.5], [18, 4]), [4, 2]),
    road('minor-edges', way, ['minor_road', 'other'], growing([11, 0.5], [18, 15])),
    road('major-edges', way, ['major_road', 'highway'], growing([6, 1], [18, 25])),
    road('minor', street, ['minor_road', 'other'], growing([11, 0.2], [18, 12])),
    road('major', street, ['major_road', 'highway'], growing([6, 0.5], [18, 21])),
    {
      id: 'boundaries',
      type: 'line',
      source: 'streets',
      'source-layer': 'boundaries',
      paint: { 'line-color': border, 'line-width': 1, 'line-dasharray': [4, 2] },
    },
    {
      id: 'road-names',
      type: 'symbol',
      source: 'streets',
      'source-layer': 'roads',
      minzoom: 13,
      layout: { 'symbol-placement': 'line', 'text-field': ['get', 'name'], 'text-font': FONT, 'text-size': 11 },
      paint: text,
    },
    {
      id: 'place-names',
      type: 'symbol',
      source: 'streets',
      'source-layer': 'places',
      layout: { 'text-field': ['get', 'name'], 'text-font': FONT, 'text-size': growing([4, 10], [14, 16]) },
      paint: text,
    },
  ];
}

function outlines(colours: Palette): LayerSpecification[] {
  return [
    { id: 'sea', type: 'background', paint: { 'background-color': colours.sea } },
    { id: 'land', type: 'fill', source: 'land', paint: { 'fill-color': colours.land } },
    { id: 'coast', type: 'line', source: 'land', paint: { 'line-color': colours.border, 'line-width': 1 } },
    { id: 'borders', type: 'line', source: 'borders', paint: { 'line-color': colours.border, 'line-width': 1, 'line-dasharray': [4, 2] } },
  ];
}

function tracks(colours: Palette): LayerSpecification[] {
  const faint: ExpressionSpecification = ['case', ['get', 'faint'], 0.45, 1];
  const width: ExpressionSpecification = ['case', ['get', 'faint'], TRACK / 2, TRACK];
  const layout = { 'line-join': 'round' as const };
  const halo = ['case', ['get', 'faint'], TRACK, TRACK * 2] as ExpressionSpecification;
  return [
    { id: 'halo', type: 'line', source: 'over', layout, paint: { 'line-color': colours.halo, 'line-width': halo, 'line-opacity': faint } },
    ...LOOKS_ALL.map(({ group, dash }): LayerSpecification => {
      const dashes = dash.split(' ').filter((part) => part !== '').map((part) => Number(part) / TRACK);
      return {
        id: `track-${group}`,
        type: 'line',
        source: 'over',
        filter: ['==', ['get', 'group'], group],
        layout,
        paint: {
          'line-color': colours.track[group],
          'line-width': width,
          'line-opacity': faint,
          ...(dashes.length > 0 ? { 'line-dasharray': dashes } : {}),
        },
      };
    }),
  ];
}

/** All layers, from below. */
export function layersOf(ground: Ground, colours: Palette): LayerSpecification[] {
  const between: LayerSpecification[] =
    ground === 'vector' ? streets(colours)
    : ground === 'raster' ? [{ id: 'pictures', type: 'raster', source: 'streets' }]
    : [];
  return [...outlines(colours), ...between, ...tracks(colours)];
}
