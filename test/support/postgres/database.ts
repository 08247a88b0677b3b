import { Client } from 'pg'

let count = 0

/** Makes an empty database on the server of `url`, with a name of its own if none is given; answers its URL. */
export async function createDatabase(url: string, name?: string): Promise<string> {
  count += 1
  const database = name ?? `test_${process.pid}_${Date.now()}_${count}`
  // template0: nobody is connected to it, so that several can be made at once.
  await execute(url, `CREATE DATABASE ${quote(database)} TEMPLATE template0`)
  const its = new URL(url)
  its.pathname = `/${encodeURIComponent(database)}`
  return its.href
}

/** Drops the database that `databaseUrl` names from the server of `url`, whoever is connected to it. */
export async function dropDatabase(url: string, databaseUrl: string): Promise<void> {
  const database = decodeURIComponent(new URL(databaseUrl).pathname.slice(1))
  await execute(url, `DROP DATABASE IF EXISTS ${quote(database)} WITH (FORCE)`)
}

async function execute(url: string, text: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
