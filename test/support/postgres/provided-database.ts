import { afterAll } from 'vitest'
import { createDatabase, dropDatabase } from './database.ts'
import { type PostgresServer, startPostgres } from './server.ts'

const variable = 'RETRYSAFE_TEST_POSTGRES_URL'
let server: Promise<PostgresServer> | undefined

/**
 * The URL of an empty database, for a test that needs no server of its own. It is on the server that
 * `RETRYSAFE_TEST_POSTGRES_URL` names, and dropped when the file is done; or else on one that all databases of this file
 * share. To be called outside of tests and hooks.
 *
 * @throws {Error} no PostgreSQL is installed, with what to install; or the variable's server cannot be used
 */
export async function provideDatabase(): Promise<string> {
  const given = process.env[variable]
  if (given === undefined || given === '') {
    server ??= startPostgres()
    return (await server).createDatabase()
  }
  const url = await createDatabase(given).catch((cause: Error) => {
    throw new Error(`the server of ${variable} cannot be used: ${cause.message}`, { cause })
  })
  afterAll(() => dropDatabase(given, url))
  return url
}
