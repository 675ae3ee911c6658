// The street map file of the runtime, read in parts over the page's own connection.

import { EtagMismatch, PMTiles, Protocol, TileType, type RangeResponse, type Source } from 'pmtiles';
import { getPart } from '../api';

/** The name of the protocol with which the map asks for tiles of the file, and of the file in it. */
const SCHEME = 'pmtiles';
const NAME = 'map';

/** Reads the file by ranges; nothing of a request names a file. */
class Parts implements Source {
  getKey(): string {
    return NAME;
  }

  async getBytes(offset: number, length: number, signal?: AbortSignal, tag?: string): Promise<RangeResponse> {
    const part = await getPart(offset, length, signal);
    // Another file is there than the one whose directories were read.
    if (tag !== undefined && tag !== part.tag) throw new EtagMismatch(`the map is another one: ${part.tag}`);
    return { data: part.bytes, ...(part.tag === undefined ? {} : { etag: part.tag }) };
  }
}

export interface StreetFile {
  ground: 'vector' | 'raster';
  /** The address of its description, for a source. */
  url: string;
  /** Whom it is from, as it says; empty: it does not say. */
  from: string;
}

const protocol = new Protocol();
let opened: Promise<StreetFile> | undefined;

async function read(): Promise<StreetFile> {
  const file = new PMTiles(new Parts());
  protocol.add(file);
  const [header, metadata] = await Promise.all([file.getHeader(), file.getMetadata()]);
  const said = typeof metadata === 'object' && metadata !== null ? (metadata as Record<string, unknown>)['attribution'] : '';
  return {
    ground: header.tileType === TileType.Mvt ? 'vector' : 'raster',
    url: `${SCHEME}://${NAME}`,
    from: typeof said === 'string' ? plain(said) : '',
  };
}

/** The text of what may be HTML. It is shown as a text, whatever it is. */
function plain(text: string): string {
  return text.replaceAll(/<[^>]*>/g, '').replaceAll('&copy;', '©').trim().slice(0, 200);
}

/** Opens the file, once. `add`: how the map takes a protocol. */
export async function streetFile(add: (name: string, load: Protocol['tile']) => void): Promise<StreetFile> {
  if (opened === undefined) {
    add(SCHEME, protocol.tile);
    opened = read();
    // Another try may find it.
    opened.catch(() => { opened = undefined; });
  }
  return opened;
}
