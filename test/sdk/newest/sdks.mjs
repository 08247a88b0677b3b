/** The newest of each SDK. They stand beside this file, and an import finds what stands beside it. */
export const load = name => import(name)
export const folder = new URL('./node_modules/', import.meta.url)
