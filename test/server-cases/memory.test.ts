import { memoryStore } from '../../packages/retrysafe/src/stores/memory/index.ts'
import { describeTable } from './describe-table.ts'

describeTable({ store: memoryStore(), gatewayUrl: 'memory:' })
