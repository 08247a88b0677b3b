/**
 * What a call comes to: the caller gets the `whole` text; a `part` of it, taken for all; it `fails`; or it still `waits`
 * when `createFetch` has told its caller of the silence. Then the paid runs by the meter; what a `status` fault or a 400
 * answers is none.
 */
export type Cell = `${'whole' | 'part' | 'fails' | 'waits'} ${number}`

/** Straight at the provider; at one that honours keys; through the gateway to the first. */
export type Cells = readonly [direct: Cell, honouring: Cell, gateway: Cell]

/** One fault of docs/sandbox.md, with and without `createFetch`. */
export interface Row {
  readonly fault: string
  readonly how: 'plain' | 'stream'
  /** `createFetch` retries. */
  readonly ours: Cells
  /** Control: the SDK retries, as often. */
  readonly own: Cells
  /** The same, where `ai` does something else. */
  readonly ownOfAi?: Cells
  /** Whether attempts have a time-out; of `ai` it ends them all. */
  readonly isTimed?: true
  /** Also on the newest Nodes. */
  readonly isSmoke?: true
}

const always = (cell: Cell): Cells => [cell, cell, cell]
const whole = { ours: always('whole 1'), own: always('whole 1') }
const refused = { ours: always('fails 0'), own: always('fails 0') }
/** Sent and not answered: the one that honours keys keeps the answer; the gateway is told of none, and runs it again. */
const unanswered: Cells = ['whole 2', 'whole 1', 'whole 2']
/** A provider that cannot resume, or a run that broke: what came of a stream is not all, and the caller hears of it. */
const broken = { ours: always('fails 1'), own: always('fails 1') }
/** Until `ai` has the first frame of a stream, it retries. */
const brokenAtOnce = { ...broken, ownOfAi: unanswered }
/** An answer that has begun: of the SDKs only `ai` retries it. */
const cut = { ours: unanswered, own: ['fails 1', 'fails 1', 'whole 2'], ownOfAi: unanswered } as const

const plainRows: readonly Row[] = [
  { fault: '', how: 'plain', ...whole },
  { fault: 'status=400, times=1', how: 'plain', ...refused },
  { fault: 'status=422, times=1', how: 'plain', ...refused },
  { fault: 'status=429, times=1', how: 'plain', ...whole },
  { fault: 'status=429, retry-after=1, times=1', how: 'plain', ...whole },
  { fault: 'status=500, times=1', how: 'plain', ...whole },
  { fault: 'status=500, retry-after=0, times=3', how: 'plain', ...whole },
  { fault: 'status=500, retry-after=0', how: 'plain', ...refused },
  { fault: 'status=503, retry-after=0, times=1', how: 'plain', ...whole, isSmoke: true },
  { fault: 'status=529, times=1', how: 'plain', ...whole },
  { fault: 'cut-before-head, times=1', how: 'plain', ours: unanswered, own: unanswered, isSmoke: true },
  // Straight, `createFetch` stops after one retry of which nobody knows whether it is paid; at the third run the gateway
  // says that the outcome is unknown.
  {
    fault: 'cut-before-head',
    how: 'plain',
    ours: ['fails 2', 'fails 1', 'fails 3'],
    own: ['fails 4', 'fails 1', 'fails 3'],
  },
  { fault: 'cut-after=0, times=1', how: 'plain', ...cut },
  { fault: 'cut-after=40, times=1', how: 'plain', ...cut, isSmoke: true },
  {
    fault: 'cut-after=40',
    how: 'plain',
    ours: ['fails 2', 'fails 1', 'fails 3'],
    own: ['fails 1', 'fails 1', 'fails 3'],
    ownOfAi: ['fails 4', 'fails 1', 'fails 3'],
  },
  { fault: 'truncate-after=40, times=1', how: 'plain', ours: unanswered, own: always('fails 1') },
  { fault: 'error-event-after=0, times=1', how: 'plain', ...broken },
  { fault: 'slow=1ms', how: 'plain', ...whole },
  { fault: 'encode=gzip', how: 'plain', ...whole },
  { fault: 'encode=gzip, cut-after=40, times=1', how: 'plain', ...cut },
]

const streamRows: readonly Row[] = [
  { fault: '', how: 'stream', ...whole },
  { fault: 'status=422, times=1', how: 'stream', ...refused },
  { fault: 'status=429, retry-after=0, times=1', how: 'stream', ...whole },
  { fault: 'status=500, times=1', how: 'stream', ...whole },
  { fault: 'cut-before-head, times=1', how: 'stream', ours: unanswered, own: unanswered },
  { fault: 'cut-after=0, times=1', how: 'stream', ...brokenAtOnce },
  { fault: 'cut-after=5, times=1', how: 'stream', ...broken, isSmoke: true },
  // Only the gateway knows that the end is missing.
  {
    fault: 'truncate-after=5, times=1',
    how: 'stream',
    ours: ['part 1', 'part 1', 'fails 1'],
    own: ['part 1', 'part 1', 'fails 1'],
  },
  { fault: 'error-event-after=0, times=1', how: 'stream', ...brokenAtOnce },
  { fault: 'error-event-after=5, times=1', how: 'stream', ...broken },
  { fault: 'gap=20ms', how: 'stream', ...whole, isSmoke: true },
  { fault: 'encode=gzip', how: 'stream', ...whole },
  { fault: 'encode=gzip, gap=200ms, cut-after=5, times=1', how: 'stream', ...broken },
]

const timedRows: readonly Row[] = (['plain', 'stream'] as const).flatMap(how => [
  {
    fault: 'delay=3s, times=1',
    how,
    ours: ['whole 2', 'whole 1', 'whole 1'],
    own: ['whole 2', 'whole 1', 'whole 1'],
    ownOfAi: always(how === 'plain' ? 'fails 1' : 'part 1'),
    isTimed: true,
    isSmoke: true,
  },
  // The gateway gives the run up after 5 s.
  {
    fault: 'hang, times=1',
    how,
    ours: unanswered,
    own: unanswered,
    ownOfAi: always(how === 'plain' ? 'fails 1' : 'part 1'),
    isTimed: true,
  },
])

const silentRows: readonly Row[] = [
  {
    fault: 'hang, cut-after=40, times=1',
    how: 'plain',
    ours: unanswered,
    own: ['waits 1', 'waits 1', 'whole 2'],
    ownOfAi: always('fails 1'),
    isTimed: true,
  },
  {
    fault: 'hang, cut-after=5, times=1',
    how: 'stream',
    ours: always('fails 1'),
    own: ['waits 1', 'waits 1', 'fails 1'],
    ownOfAi: always('part 1'),
    isTimed: true,
  },
]

/** Every fault that the sandbox knows, where it means something. */
export const rows: readonly Row[] = [...plainRows, ...streamRows, ...timedRows, ...silentRows]
