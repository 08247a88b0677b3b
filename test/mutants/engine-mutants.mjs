/** Mistakes in the engine: the store is right, its user is not. */
export const engineMutants = [
  {
    name: 'begin without the mark',
    about: 'under fail nothing says that the effect may have begun',
    file: 'engine/attempt.ts',
    find: 'const mustMark = !this.#terms.sent',
    replace: 'const mustMark = false',
  },
  {
    name: 'begin past the deadline',
    about: 'a dispatch begins while somebody else may be taking over',
    file: 'engine/lease.ts',
    find: '>= this.#terms.leaseMs - marginMs',
    replace: '>= 1_000 * this.#terms.leaseMs - marginMs',
  },
  {
    name: 'lease counted from the answer',
    about: 'the deadline does not know how long the claim was on its way',
    file: 'engine/claim.ts',
    find: "return { kind: 'run', attempt: this.#port.start(this.#call, answer, claimedAt) }",
    replace:
      "return { kind: 'run', attempt: this.#port.start(this.#call, answer, claimedAt && instant(this.#port.surroundings.clock)) }",
  },
  {
    name: 'dispatch on a store error',
    about: 'who cannot reach the store begins all the same',
    file: 'engine/attempt.ts',
    find: 'await this.#lease.renew(mustMark ? { sent: true } : {})',
    replace:
      "await this.#lease.renew(mustMark ? { sent: true } : {}).catch(() => ({ kind: 'ok', cancelled: false, followed: false }) as const)",
  },
  {
    name: 'waiter without cooldown',
    about: 'it claims again at once, and again',
    file: 'engine/claim.ts',
    find: 'await pause(this.#port.surroundings.timers, leftMs, this.#call.signal)',
    replace: 'await pause(this.#port.surroundings.timers, Math.min(leftMs, 0), this.#call.signal)',
  },
  {
    name: 'waiter executes without claiming',
    about: 'after a failed run that it followed it runs under a token that nobody gave it',
    file: 'engine/claim.ts',
    find: "case 'ended':\n          return this.#runFailed(fence, opened.cooldownMs)",
    replace:
      "case 'ended': {\n        const token = { fence: fence + 1, owner: this.#owner }\n        const answer = { kind: 'acquired', token, attempt: 1, sent: true, onCrash: 'rerun' } as const\n        return { kind: 'run', attempt: this.#port.start(this.#call, answer, instant(this.#port.surroundings.clock)) }\n      }",
  },
  {
    name: 'joins any generation',
    about: 'a waiter follows whatever runs here, whoever has the record',
    file: 'engine/engine.ts',
    find: 'return attempt?.token.fence === fence ? attempt : undefined',
    replace: 'return (attempt?.token.fence ?? 0) <= fence ? attempt : undefined',
  },
  {
    name: 'follower ignores the generation',
    about: 'it goes on in the log of the next attempt',
    file: 'engine/follower.ts',
    find: "if (answer.kind === 'ended') return { kind: 'broken' }\n        if (answer.bytes.byteLength > 0) {",
    replace:
      "if (answer.kind === 'ended') {\n          const view = await log.store.get(log.key)\n          if (view === undefined || view.fence === log.fence) return { kind: 'broken' }\n          log = { ...log, fence: view.fence }\n          continue\n        }\n        if (answer.bytes.byteLength > 0) {",
  },
  {
    name: 'no polling under the hints',
    about: 'a hint that got lost is never made good',
    file: 'engine/record-watch.ts',
    find: 'Math.min(maxMs, store.traits.pollMs * (0.5 + random.unit()))',
    replace: 'Math.min(maxMs, 2_000_000_000 * (0.5 + random.unit() / 2))',
  },
  {
    name: 'terminal frame before the seal',
    about: 'readers see the end of an answer that may yet be lost',
    file: 'engine/recording.ts',
    find: '      wait()\n      this.#tellLost',
    replace: '      wait()\n      show()\n      this.#tellLost',
  },
  {
    name: 'lost is shown as sealed',
    about: 'a second outcome reaches callers after a takeover',
    file: 'engine/recording.ts',
    find: "if (answer === 'lost') resolve('lost')\n        else show()",
    replace: "if (answer === 'gap') resolve('lost')\n        else show()",
  },
  {
    name: 'persist gives up',
    about: 'an outcome is dropped because the store did not answer at once',
    file: 'engine/persist.ts',
    find: '    } catch {\n      // Again, after a longer pause.\n    }',
    replace: '    } catch {\n      return undefined\n    }',
  },
  {
    name: 'stored before acknowledged',
    about: 'an append that failed counts as done, and its bytes are let go',
    file: 'engine/log-writer.ts',
    find: '      this.#failing = true\n      if (isRefused',
    replace:
      '      this.#failing = true\n      this.#advance(this.#storedBytes + bytes.byteLength)\n      this.#source.stored(1e9)\n      if (isRefused',
  },
  {
    name: 'canonical never sent',
    about: 'whoever comes with other bytes waits for a word that never comes',
    file: 'engine/own-canonical.ts',
    find: 'return { canonical: this.#made }',
    replace: 'return this.#over ? { canonical: this.#made } : {}',
  },
  {
    name: 'lost does not stop',
    about: 'an attempt that was taken over keeps its readers',
    file: 'engine/attempt.ts',
    find: "    this.recording.end({ kind: 'lost' })\n    this.#settle()\n    this.#stop()",
    replace: '    this.#settle()',
  },
]
