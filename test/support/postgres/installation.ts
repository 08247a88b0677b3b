import { findTool } from '../system-tool.ts'

/** The folder of PostgreSQL's programs. */
export function findPostgres(): Promise<string> {
  return findTool('postgresql')
}

export function findPgBouncer(): Promise<string> {
  return findTool('pgbouncer')
}
