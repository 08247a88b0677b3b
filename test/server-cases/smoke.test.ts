import { join } from 'node:path'
import { afterAll, describe } from 'vitest'
import { lmdbStore } from '../../packages/retrysafe/src/stores/lmdb/index.ts'
import { redisStore } from '../../packages/retrysafe/src/stores/redis/index.ts'
import { makeStoreFolder } from '../support/gateway.ts'
import { provideRedis } from '../support/redis/provided-server.ts'
import { describeTable } from './describe-table.ts'
import { table } from './table.ts'

const smoke = table.filter(each => each.smoke)

const folder = makeStoreFolder()
const lmdb = lmdbStore({ path: join(folder, 'library') })
const redisUrl = await provideRedis()
const redis = redisStore({ url: redisUrl })
afterAll(() => Promise.all([lmdb.close(), redis.close()]))

describe('lmdb', () => describeTable({ store: lmdb, gatewayUrl: `lmdb:${join(folder, 'gateway')}` }, smoke))
describe('redis', () => describeTable({ store: redis, gatewayUrl: redisUrl }, smoke))
