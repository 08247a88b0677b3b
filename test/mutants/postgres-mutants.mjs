const kit = 'packages/retrysafe/test/stores/postgres/kit.test.ts'
const listen = 'test/fault/postgres/listen.test.ts'
const stalls = 'test/fault/postgres/stalls.test.ts'

/**
 * Mistakes in the TypeScript of the PostgreSQL store; those of its SQL are in sql-mutants.mjs. `by`: the test that finds
 * it, since each of these runs needs a server.
 */
export const postgresMutants = [
  {
    name: 'postgres: a batch has a name twice',
    about: 'what is locked once is completed twice',
    file: 'stores/postgres/batcher.ts',
    find: 'if (!fits || names.has(name)) {',
    replace: 'if (!fits) {',
    by: { file: kit, test: 'I2 of many completes at once exactly one is kept' },
  },
  {
    name: 'postgres: answers out of order',
    about: 'a caller of a batch gets the answer of another',
    file: 'stores/postgres/database.ts',
    find: 'return rows.sort((one, other) => one.ord - other.ord)',
    replace: 'return rows',
    by: { file: kit, test: 'I2 completes of many records at once are each a complete' },
  },
  {
    name: 'postgres: busy is not asked again',
    about: 'a step gives up because somebody else was at the row',
    file: 'stores/postgres/busy.ts',
    find: "if (answer.kind !== 'busy' ||",
    replace: 'if (startedMs >= 0 ||',
    by: { file: kit, test: 'I2 of many completes at once exactly one is kept' },
  },
  {
    name: 'postgres: fences are forgotten',
    about: 'after a deletion the clock alone draws the fence',
    file: 'stores/postgres/store.ts',
    find: 'lastFence = Math.max(lastFence, answer.token.fence)',
    replace: '',
    by: { file: kit, test: 'I1 the fence rises after a takeover, a tombstone and a deletion' },
  },
  {
    name: 'postgres: completeIn keeps quiet',
    about: 'a zombie believes that its transaction is committed',
    file: 'stores/postgres/complete-in.ts',
    find: "throw new RetrysafeError('LEASE_LOST', what, { cause: error })",
    replace: "return void new RetrysafeError('LEASE_LOST', what, { cause: error })",
    by: { file: kit, test: 'I10 the effect of a token that was taken over is rolled back' },
  },
  {
    name: 'postgres: nobody is told',
    about: 'no change gives a notification',
    file: 'stores/postgres/followers.ts',
    find: 'if (!followed || this.#isClosed) return',
    replace: 'if (!followed || this.#isClosed || followed) return',
    by: { file: listen, test: 'a LISTEN connection that is cut comes back by itself' },
  },
  {
    name: 'postgres: LISTEN once',
    about: 'a listener that lost its connection stays deaf',
    file: 'stores/postgres/listener.ts',
    find: 'this.#timer = undefined\n      this.start()',
    replace: 'this.#timer = undefined',
    by: { file: listen, test: 'a LISTEN connection that is cut comes back by itself' },
  },
  {
    name: 'postgres: no polling beside LISTEN',
    about: 'a connection that fell silent is believed',
    file: 'stores/postgres/followers.ts',
    find: 'this.#listener?.isLive ? calmMs :',
    replace: 'this.#listener?.isLive ? 1_000 * calmMs :',
    by: { file: listen, test: 'a LISTEN connection that fell silent' },
  },
  {
    name: 'postgres: a mark is set once',
    about: 'an owner believes that nobody follows it any more',
    file: 'stores/postgres/followers.ts',
    find: 'followed.markAtMs = nowMs + markMs / 2',
    replace: 'followed.markAtMs = nowMs + 1_000 * markMs',
    by: { file: listen, test: 'an owner knows for as long as somebody follows' },
  },
  {
    name: 'postgres: no time-out',
    about: 'a step waits for a line that fell silent',
    file: 'stores/postgres/database.ts',
    find: 'const { rows } = await this.#pool.query({ text, values, query_timeout: this.#terms.timeoutMs })',
    replace: 'const { rows } = await this.#pool.query({ text, values })',
    by: { file: stalls, test: 'answers that do not come' },
  },
]
