import assert from 'node:assert/strict'
import type { Token } from '../../engine/record.ts'
import { assertAnswer, assertMatches } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { complete, type Delivery, endings, kindOf, lives, sendInVain, stories } from '../deliveries.ts'
import { lapseMs, shortLeaseMs } from '../durations.ts'
import { piece, step, type Trial } from '../trial.ts'

/** After each step all earlier ones of the same attempt arrive once more. */
async function liveWithEchoes(t: Trial, ending: Delivery, { key, story, onCrash }: ReturnType<typeof lives>[number]) {
  const terms = t.terms({ key, onCrash })
  const { token } = await t.acquire({ key, onCrash })
  const sent: Delivery[] = []
  for (const delivery of [...story, ending]) {
    await delivery.send(t, key, token)
    for (const earlier of sent) await sendInVain(t, earlier, key, token, `again after ${delivery.name}`)
    sent.push(delivery)
    const state = await t.state(key)
    // Of a freed record nothing is left: its late claim is a first one.
    if (state === 'absent') continue
    const before = await t.snapshot(key)
    const answer = await t.store.claim(terms)
    if (state === 'running') assertMatches(answer, { kind: 'acquired', token, attempt: 1 })
    else assert.notEqual(answer.kind, 'acquired', `the claim ran again after ${delivery.name}`)
    assertAnswer(await t.snapshot(key), before)
  }
}

/** Each step in turn is overtaken by the end of its attempt, and arrives only then. */
async function liveReordered(t: Trial, ending: Delivery, life: ReturnType<typeof lives>[number]): Promise<void> {
  for (const [at, overtaken] of life.story.entries()) {
    const key = `${life.key} without ${at}`
    const token = await t.token({ key, onCrash: life.onCrash })
    for (const delivery of life.story) if (delivery !== overtaken) await delivery.send(t, key, token)
    // Without the bytes that it builds on, a complete is told so, and the attempt goes on.
    if (kindOf(await ending.send(t, key, token)) === 'gap') continue
    await sendInVain(t, overtaken, key, token, `overtaken by ${ending.name}`)
  }
}

const zombieDeliveries: readonly Delivery[] = [
  ...(stories['with steps'] ?? []),
  ...endings,
  {
    name: 'resolve',
    send: (t, key, token) => t.store.resolve(t.key(key), token.fence),
    whenLost: 'changed',
  },
]

/** A record whose first owner has lapsed and whose second runs, for each delivery. */
async function takeOverAll(t: Trial): Promise<Map<Delivery, { key: string; zombie: Token; token: Token }>> {
  const zombies: { delivery: Delivery; key: string; zombie: Token }[] = []
  for (const delivery of zombieDeliveries) {
    const key = `zombie's ${delivery.name}`
    const zombie = await t.token({ key, leaseMs: shortLeaseMs })
    await t.store.append(t.key(key), zombie, piece(0, 'old'))
    await t.store.stepStart(t.key(key), zombie, step())
    zombies.push({ delivery, key, zombie })
  }
  await t.lapse()
  const cases = new Map<Delivery, { key: string; zombie: Token; token: Token }>()
  for (const { delivery, key, zombie } of zombies) {
    const token = await t.token({ key, owner: 'b' })
    await t.store.append(t.key(key), token, piece(0, 'new'))
    cases.set(delivery, { key, zombie, token })
  }
  return cases
}

export const lateCases: readonly KitCase[] = [
  ...endings.map(
    (ending): KitCase => ({
      name: `I7 every step that arrives again late changes nothing, up to ${ending.name}`,
      async run(t) {
        for (const life of lives(ending)) await liveWithEchoes(t, ending, life)
      },
    }),
  ),
  ...endings.map(
    (ending): KitCase => ({
      name: `I7 every step that ${ending.name} has overtaken changes nothing`,
      async run(t) {
        for (const life of lives(ending)) await liveReordered(t, ending, life)
      },
    }),
  ),
  {
    name: 'I6 every step of an older token is told lost, and changes nothing',
    needsMs: lapseMs,
    async run(t) {
      for (const [delivery, { key, zombie }] of await takeOverAll(t)) {
        const answer = await sendInVain(t, delivery, key, zombie, 'by a zombie')
        assert.equal(kindOf(answer), delivery.whenLost, delivery.name)
        assertMatches(await t.claim({ key, leaseMs: shortLeaseMs }), { kind: 'running' })
      }
    },
  },
  {
    name: 'I6 every step of an older token is told lost after its successor completed',
    needsMs: lapseMs,
    async run(t) {
      for (const [delivery, { key, zombie, token }] of await takeOverAll(t)) {
        assert.equal(await complete.send(t, key, token), 'ok')
        const answer = await sendInVain(t, delivery, key, zombie, 'by a zombie')
        assert.equal(kindOf(answer), delivery.whenLost, delivery.name)
        assertMatches(await t.claim({ key }), { kind: 'completed', log: { bytes: 'neX' } })
      }
    },
  },
  {
    name: 'I8 appends that overtook each other leave no hole',
    async run(t) {
      const token = await t.token()
      const pieces = [piece(0, 'ab'), piece(2, 'cd'), piece(4, 'ef')]
      const order = [2, 1, 0, 2, 1, 0, 2]
      const kinds: string[] = []
      for (const at of order) kinds.push((await t.store.append(t.key(), token, pieces[at] ?? assert.fail())).kind)
      assertAnswer(kinds, ['gap', 'gap', 'ok', 'gap', 'ok', 'dup', 'ok'])
      assert.equal(await t.log(token.fence), 'abcdef')
    },
  },
]
