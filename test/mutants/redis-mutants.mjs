const kit = 'packages/retrysafe/test/stores/redis/kit-single-ioredis.test.ts'
const resurrected = 'test/fault/redis/resurrected.test.ts'
const cuts = 'test/fault/redis/cuts.test.ts'
const cases = 'test/fault/redis/lua-cases.test.ts'

/**
 * Mistakes in the TypeScript of the Redis store; those of its Lua are in lua-mutants.mjs. `by`: the test that finds it,
 * since each of these runs needs a server.
 */
export const redisMutants = [
  {
    name: 'redis: a claim gives up unlisted',
    about: 'a record becomes unknown and is not in the index',
    file: 'stores/redis/store.ts',
    find: "await unknowns.add(terms.key)\n      answer = await ask('1')",
    replace: "answer = await ask('1')",
    by: { file: kit, test: 'I12 what a claim gave up is among the unknown' },
  },
  {
    name: 'redis: a release gives up unlisted',
    about: 'a record becomes unknown and is not in the index',
    file: 'stores/redis/store.ts',
    find: "await unknowns.add(key)\n        answer = await ask('1')",
    replace: "answer = await ask('1')",
    by: { file: kit, test: 'I12 the unknown ones have a list of their own' },
  },
  {
    name: 'redis: fences are forgotten',
    about: 'after a deletion the clock alone draws the fence',
    file: 'stores/redis/store.ts',
    find: 'lastFence = Math.max(lastFence, answer.token.fence)',
    replace: '',
    by: { file: kit, test: 'I1 the fence rises after a takeover, a tombstone and a deletion' },
  },
  {
    name: 'redis: an attempt never ends',
    about: 'an outcome that has expired or was purged comes back with its complete',
    file: 'stores/redis/store.ts',
    find: "if (answer !== 'gap') live.ended(key, token)",
    replace: '',
    by: { file: resurrected, test: 'an outcome whose record the server forgot is lost after it was acknowledged' },
  },
  {
    name: 'redis: what the server forgot is lost',
    about: 'a paid call is thrown away because the server restarted',
    file: 'stores/redis/store.ts',
    find: "reply.text(0) === 'absent' ? live.find(key, token) : undefined",
    replace: 'undefined as ReturnType<typeof live.find>',
    by: { file: resurrected, test: 'a running attempt whose record the server forgot goes on with its next renewal' },
  },
  {
    name: 'redis: scripts are there for ever',
    about: 'after a restart the server knows no script',
    file: 'stores/redis/server.ts',
    find: "if (codeOf(error) !== 'NOSCRIPT') throw error",
    replace: "if (codeOf(error) !== '') throw error",
    by: { file: resurrected, test: 'an outcome whose record the server forgot in a restart' },
  },
  {
    name: 'redis: nothing is sent again',
    about: 'a step fails because a connection broke',
    file: 'stores/redis/store-error.ts',
    find: "return code === '' || passing.has(code)",
    replace: 'return passing.has(code)',
    by: { file: cuts, test: "over ioredis cut 'before the answer', the store sends it again 'complete'" },
  },
  {
    name: 'redis: an outage is not seen',
    about: 'a server that was promoted takes leases away that nobody could renew',
    file: 'stores/redis/server.ts',
    find: 'if (showsOutage(error)) this.#noteOutage()',
    replace: 'if (showsOutage(error) && this.#isClosed) this.#noteOutage()',
    by: { file: cases, test: 'who has seen the server gone takes nothing over' },
  },
]
