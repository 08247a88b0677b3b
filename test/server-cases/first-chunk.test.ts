import { once } from 'node:events'
import { expect, test } from 'vitest'
import { memoryStore } from '../../packages/retrysafe/src/stores/memory/index.ts'
import { adapterNames } from './adapters/adapter.ts'
import { builders, onFinished } from './describe-table.ts'
import { openTap, type Play, type Tap } from './script.ts'
import type { Stand } from './stand.ts'
import { makeTrial } from './trial.ts'

const rounds = 100
const warmUp = 20

/** Streams that say one thing at once, and end when their client has seen it. */
function openStreams(): { play: Play; endAll(): void } {
  const open: Tap[] = []
  return {
    play() {
      const tap = openTap()
      tap.push('data: 1\n\n')
      open.push(tap)
      return { kind: 'stream', pieces: tap, headers: [['Content-Type', 'text/event-stream']] }
    },
    endAll: () => open.splice(0).forEach(tap => void tap.end()),
  }
}

/** Until the first bytes are here; then the stream ends, so that nothing of it is left for the next one. */
async function firstChunkMs(stand: Stand, key: string, endAll: () => void): Promise<number> {
  const beganMs = performance.now()
  const response = await stand.begin({ key })
  const ended = once(response, 'end')
  await once(response, 'data')
  const tookMs = performance.now() - beganMs
  endAll()
  await ended
  return tookMs
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN
}

test.each(adapterNames)(
  '%s: the first chunk comes at most 5 ms later than without us (p50)',
  // A machine that is busy with something else for a moment is no fault of ours.
  { retry: 7 },
  async adapter => {
    const trial = makeTrial(adapter, builders[adapter], { store: memoryStore(), gatewayUrl: 'memory:' }, onFinished)
    const { play, endAll } = openStreams()
    const [guarded, bare] = [await trial.open(play), await trial.bare(play)]
    const times = { guarded: [] as number[], bare: [] as number[] }
    // In turns: what slows the machine down slows both.
    for (let round = 0; round < warmUp + rounds; round += 1) {
      const withUs = await firstChunkMs(guarded, `${trial.key}-${round}`, endAll)
      const without = await firstChunkMs(bare, `${trial.key}-${round}`, endAll)
      if (round < warmUp) continue
      times.guarded.push(withUs)
      times.bare.push(without)
    }
    const [withUs, without] = [medianOf(times.guarded), medianOf(times.bare)]
    console.log(`${adapter}: first chunk p50 ${withUs.toFixed(2)} ms, without us ${without.toFixed(2)} ms`)
    expect(guarded.calls.length).toBe(warmUp + rounds)
    expect(withUs - without).toBeLessThan(5)
  },
)
