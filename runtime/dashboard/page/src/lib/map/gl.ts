// A map by MapLibre: the ground, and what lies over it.

import type { FeatureCollection, GeoJSON } from 'geojson';
import { addProtocol, Map as Drawn, setWorkerUrl, type GeoJSONSource, type LayerSpecification, type StyleSpecification } from 'maplibre-gl';
import { feature, mesh } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import shapes from 'world-atlas/countries-50m.json?url';
import type { Base } from './base';
import { streetFile, type StreetFile } from './file';
import { layersOf, type Ground } from './layers';
import { followColours, palette } from './palette';
import type { Bounds, View } from './view';
import { workerAddress } from './worker';

const NOTHING: FeatureCollection = { type: 'FeatureCollection', features: [] };
/** How near the map goes by itself. */
const FIT_ZOOM_MAX = 16;
const ZOOM_MAX = 20;
const MARGIN = 40;
/** The deepest tiles that are asked of a tile server; nearer ones are enlarged. */
const SERVER_ZOOM_MAX = 19;
/** Outlines have no more to show behind this zoom. */
const OUTLINES_ZOOM_MAX = 7;

setWorkerUrl(workerAddress);

/** What is told of the map. */
export interface Told {
  /** It has moved. */
  moved: (view: View) => void;
  /** It was pressed at this place of it, pixels. */
  pressed: (x: number, y: number) => void;
  /** All of it is there. */
  shown: () => void;
  /** Something of it did not come. */
  missed: (why: string) => void;
}

/** What lies under the tracks, once it is known. */
interface Under {
  ground: Ground;
  sources: StyleSpecification['sources'];
}

function under(base: Base, file: StreetFile | undefined): Under {
  if (base.kind === 'server') {
    const streets = { type: 'raster' as const, tiles: [base.template], tileSize: 256, maxzoom: SERVER_ZOOM_MAX };
    return { ground: 'raster', sources: { streets } };
  }
  if (!file) return { ground: 'outlines', sources: {} };
  const { ground, url } = file;
  return { ground, sources: { streets: ground === 'vector' ? { type: 'vector', url } : { type: 'raster', url, tileSize: 256 } } };
}

/** The street map file, where it is what is shown. */
export async function fileOf(base: Base): Promise<StreetFile | undefined> {
  return base.kind === 'file' ? streetFile(addProtocol) : undefined;
}

/** Whether nothing should move by itself. */
function still(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}

/** A map in an element. */
export class GroundMap {
  readonly #map: Drawn;
  readonly #layers: () => LayerSpecification[];
  readonly #ends: () => void;

  constructor(container: HTMLElement, base: Base, file: StreetFile | undefined, told: Told) {
    const { ground, sources } = under(base, file);
    this.#layers = () => layersOf(ground, palette());
    const geojson = (maxzoom: number) => ({ type: 'geojson' as const, data: NOTHING, maxzoom });
    const outlines = { land: geojson(OUTLINES_ZOOM_MAX), borders: geojson(OUTLINES_ZOOM_MAX) };
    const map = new Drawn({
      container,
      style: { version: 8, sources: { ...outlines, ...sources, over: geojson(ZOOM_MAX - 2) }, layers: this.#layers() },
      maxZoom: ZOOM_MAX,
      attributionControl: false,
      dragRotate: false,
      touchPitch: false,
      pitchWithRotate: false,
      fadeDuration: 0,
    });
    this.#map = map;
    map.touchZoomRotate.disableRotation();
    map.keyboard.disableRotation();
    const moved = () => told.moved(viewOf(map));
    map.on('move', moved);
    map.on('resize', moved);
    map.on('error', ({ error }) => told.missed(error.message));
    map.on('click', ({ point }) => told.pressed(point.x, point.y));
    map.once('load', () => {
      moved();
      const show = () => map.once('idle', told.shown).triggerRepaint();
      // Without outlines there is still what lies over them.
      outline().then((known) => {
        this.#set('land', known.land);
        this.#set('borders', known.borders);
        show();
      }, show);
    });
    this.#ends = followColours(() => this.#paint());
  }

  /** Draws these over the ground. */
  show(data: FeatureCollection): void {
    if (this.#map.getSource('over')) this.#set('over', data);
    else this.#map.once('load', () => this.#set('over', data));
  }

  /** Says in words what it shows. */
  name(label: string): void {
    this.#map.getCanvas().setAttribute('aria-label', label);
  }

  /** Shows this whole. */
  fit(whole: Bounds | undefined): void {
    if (!whole) return;
    const { west, south, east, north } = whole;
    const options = { padding: MARGIN, maxZoom: FIT_ZOOM_MAX, animate: this.#map.loaded() && !still() };
    this.#map.fitBounds([[west, south], [east, north]], options);
  }

  zoomBy(factor: number): void {
    this.#map.zoomTo(this.#map.getZoom() + Math.log2(factor), { animate: !still() });
  }

  /** Shows what is so many pixels to the east and to the south. */
  moveBy(x: number, y: number): void {
    this.#map.panBy([x, y], { animate: !still() });
  }

  remove(): void {
    this.#ends();
    this.#map.remove();
  }

  #set(name: string, data: GeoJSON): void {
    void (this.#map.getSource(name) as GeoJSONSource | undefined)?.setData(data);
  }

  /** Draws it in the colours of now. */
  #paint(): void {
    for (const layer of this.#layers()) {
      for (const [name, value] of Object.entries(layer.paint ?? {})) {
        this.#map.setPaintProperty(layer.id, name as never, value as never);
      }
    }
  }
}

function viewOf(map: Drawn): View {
  const { clientWidth: width, clientHeight: height } = map.getContainer();
  const bounds = map.getBounds();
  return {
    width,
    height,
    place: (at) => {
      const { x, y } = map.project(at);
      return [x, y];
    },
    west: bounds.getWest(),
    east: bounds.getEast(),
    south: bounds.getSouth(),
    north: bounds.getNorth(),
  };
}

/** The outlines of countries, which come with the page. */
async function outline(): Promise<{ land: GeoJSON; borders: GeoJSON }> {
  const answer = await fetch(shapes);
  const atlas = (await answer.json()) as Topology<{ countries: GeometryCollection; land: GeometryCollection }>;
  const { countries, land } = atlas.objects;
  return { land: feature(atlas, land), borders: mesh(atlas, countries, (one, other) => one !== other) };
}
