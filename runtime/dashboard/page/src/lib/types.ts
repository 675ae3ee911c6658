// The answers that the page reads: docs/api.md describes them. Moments are seconds since 1970, or end in `_ms`.

export interface About {
  way: 'device' | 'console' | 'operator' | 'passkey';
  device: string | null;
  scopes: string[];
  commands: string[];
  puts: boolean;
  opens: boolean;
  /** Whether there is a street map file. */
  map_file: boolean;
  /** The origin of the tile server that this page may ask. */
  tile_server: string | null;
}

export interface Arrival {
  key: string;
  last_ts: number;
  last_days: number;
  total: number;
}

export interface Status {
  id: string;
  store: 'absent' | 'locked' | 'unlocked' | 'damaged';
  until_ms: number | null;
  keys: 'lease' | 'phone-unlocked' | 'unattended' | null;
  recovery_phrase: boolean;
  waiting_uploads: number;
  waiting_bytes: number;
  clock_doubt: string | null;
  set_aside: number | null;
  arrivals: { streams: Arrival[]; missing: { what: string; meaning: string }[] } | null;
}

export interface Person {
  id: string;
  name: string;
  tokens: number;
  bytes_on_disk?: number;
  streams?: { area: string; key: string; entries: number }[];
}

export interface Device {
  id: string;
  name: string;
  platform: string;
  status: string;
  scopes: string[];
  enrolled_ms: number;
  last_seen_ms: number;
}

/** A tracker from the shops. */
export interface Receiver {
  receiver: string;
  app: string;
  name: string;
  time_zone: string | null;
  status: 'waiting' | 'active' | 'unsigned' | 'revoked';
  added_ms: number;
  first_seen_ms: number | null;
  last_seen_ms: number | null;
}

export interface ReceiverAdded {
  receiver: string;
  app: string;
  name: string;
  link: string;
  settings?: string;
  waits?: boolean;
}

export interface Read {
  what: string;
  area?: string;
  names: string[];
  time?: string;
  from?: number;
  to?: number;
  times: number;
  entries: number;
  denied?: boolean;
}

export interface Run {
  ts: number;
  cell: string;
  digest: string;
  under?: { cell: string; epoch: number; purpose: string };
  device?: string;
  outcome: string;
  reason?: string;
  reads: Read[];
  reads_untold: number;
  entries_read: number;
  bytes_written: number;
  said?: string[];
}

export interface Chain {
  lines: number;
  before: number;
  broken?: string;
}

export interface Audit {
  id: string;
  runs: Run[];
  chain?: Chain;
}

export interface Cell {
  id: string;
  name: string;
  title: string;
  publisher: string;
  version: number;
  digest: string;
  bytes: number;
  world: string;
  state: 'active' | 'paused' | 'ended' | 'absent' | 'offered';
  trouble?: string;
  words: string[];
}

export interface Pipeline {
  pending: unknown;
  stages: { stage: string; cell: string; off: boolean; state: { last_ts_run: number | null } }[];
}

export type Position = [number, number];

export interface Feature {
  type: 'Feature';
  id: string;
  geometry:
    | { type: 'Point'; coordinates: Position }
    | { type: 'LineString'; coordinates: Position[] }
    | { type: 'MultiLineString'; coordinates: Position[][] }
    | null;
  properties: Record<string, unknown> & { feature_type: string; trip?: string };
}

export interface ImportProgress {
  records: number;
  points: number;
  others: number;
  duplicates: number;
  set_aside: number;
  refused: number;
  bytes: [number, number];
  span?: [number, number];
  formats: string[];
  columns: string[];
  faults: { file: string; at: number; why: string }[];
  ended: boolean;
}

export interface ImportShown {
  zone?: string;
  progress: ImportProgress;
}

export interface DiaryExported {
  text?: string;
  trips: number;
  unread: number;
}

export interface PairingOpened {
  window: string;
  qr: string;
  code: string | null;
  address: string;
  until_ms: number;
}

export interface PairingStatus {
  window: string;
  state: 'open' | 'claimed' | 'enrolling' | 'done' | 'burnt';
  claim: { name: string; platform: string; digits: string } | null;
}

export interface DaysShown {
  zone: string;
  days: { date: string; locations: number }[];
  untracked: { start_ts: number; end_ts: number }[];
}

export interface PlacesShown {
  places: { name: string; longitude: number; latitude: number }[];
}

export interface Heat {
  locations: number;
  west: number;
  south: number;
  step: number;
  columns: number;
  rows: number;
  cells: [number, number, number][];
}

export interface WouldForget {
  entries: number;
  streams: { area: string; key: string; entries: number }[];
}

export interface Erased {
  id: string;
  receipt: { user: string; slots: number; slots_sha256: string | null; keyring_sha256: string | null; bytes: number };
}

export interface CellPreview {
  streams: { key: string; entries: number; newest: { id: string; data: string; cut: boolean }[] }[];
}

export interface Studies {
  studies: { id: string; name: string; title: string }[];
  budget?: { limit_micro: number; left_micro: number; charges: { study: string; epoch: number; micro: number; spent: boolean }[] };
}

export interface Host {
  version: string;
  since_ts: number;
  people: number;
  suspended: number;
  damaged: number;
  stores_open: number;
  clock_doubt: string | null;
  memory_bytes: number | null;
  load: [number, number, number] | null;
  processors: number;
  disk_free_bytes: number | null;
  certificates: {
    names: number;
    certified: number;
    first_ends_ts: number | null;
    failing: number;
    failure: string | null;
    next_try_ts: number | null;
  } | null;
}
