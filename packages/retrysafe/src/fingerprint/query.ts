/** The query parameter that is a credential: it names the tenant, and so never the request. */
export const credentialParameter = 'key'

/** The query with its parameters sorted (stable, so repeated names keep their order) and without the credential. */
export function sortedQuery(query: string): string {
  if (query === '') return ''
  return query
    .split('&')
    .filter(parameter => parameter !== '' && nameOf(parameter) !== credentialParameter)
    .map((parameter, order) => ({ parameter, name: nameOf(parameter), order }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.order - b.order))
    .map(({ parameter }) => parameter)
    .join('&')
}

function nameOf(parameter: string): string {
  const end = parameter.indexOf('=')
  return end === -1 ? parameter : parameter.slice(0, end)
}
