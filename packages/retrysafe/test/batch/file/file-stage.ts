import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { BatchFileOptions } from '../../../src/batch/file/batch-file-options.ts'
import type { BatchAnswer, BatchLine } from '../../../src/batch/file/batch-line.ts'
import { type BatchSummary, runBatchFile } from '../../../src/batch/file/run-batch-file.ts'
import { createRetrysafe } from '../../../src/retrysafe.ts'
import { inputLine, makeFolder } from '../folder.ts'

export type Send = BatchFileOptions['send']

/** An answer that says which item it is of, of 10 and 5 tokens. */
export function answerOf({ customId }: Pick<BatchLine, 'customId'>): BatchAnswer {
  const body = `{"model":"m","text":"${customId}","usage":{"prompt_tokens":10,"completion_tokens":5}}`
  const usage = { inputTokens: 10, cachedInputTokens: undefined, cacheWriteTokens: undefined, outputTokens: 5 }
  return { status: 200, requestId: 'r', body, model: 'm', usage, replayed: false }
}

/** A folder with an input, a store that outlives runs, and a sender that counts. */
export class FileStage {
  readonly folder: string = makeFolder()
  readonly input: string = join(this.folder, 'in.jsonl')
  readonly output: string = join(this.folder, 'out.jsonl')
  readonly errors: string = join(this.folder, 'out.errors.jsonl')
  readonly sent: string[] = []
  readonly warnings: string[] = []
  readonly #safe = createRetrysafe({ store: 'memory:' })

  constructor() {
    onTestFinished(() => this.#safe.close())
  }

  writeLines(lines: readonly string[]): void {
    writeFileSync(this.input, `${lines.join('\n')}\n`)
  }

  /** Items with these ids. */
  writeItems(...customIds: readonly string[]): void {
    this.writeLines(customIds.map(id => inputLine(id)))
  }

  options(changes: Partial<BatchFileOptions> = {}, send: Send = answerOf): BatchFileOptions {
    return {
      input: this.input,
      output: this.output,
      safe: this.#safe,
      baseDelayMs: 1,
      maxDelayMs: 10,
      onWarning: message => void this.warnings.push(message),
      ...changes,
      send: (line, context) => {
        this.sent.push(line.customId)
        return send(line, context)
      },
    }
  }

  run(changes: Partial<BatchFileOptions> = {}, send: Send = answerOf): Promise<BatchSummary> {
    return runBatchFile(this.options(changes, send))
  }

  /** The custom ids of a file's lines, in their order. */
  idsIn(path: string = this.output): string[] {
    return readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => (JSON.parse(line) as { custom_id: string }).custom_id)
  }
}
