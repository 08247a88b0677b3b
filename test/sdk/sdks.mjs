/** The SDKs that the root brings, for the Node that runs the tests. */
export const load = name => import(name)
export const folder = new URL('../../node_modules/', import.meta.url)
