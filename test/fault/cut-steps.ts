import { operationCuts, operatorCuts } from './cut-others.ts'
import type { CutStep } from './cut-stage.ts'
import { claimCuts, writeCuts } from './cut-writes.ts'

/** Every step that one statement, or one script, makes. */
export const cutSteps: readonly CutStep[] = [...claimCuts, ...writeCuts, ...operationCuts, ...operatorCuts]
