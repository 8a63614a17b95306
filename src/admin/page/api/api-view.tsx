/** The admin API, as its own description has it: what can be asked, with what, and what comes back. */
import type { ApiDocument, Operation } from '../../deps.ts'
import { BASE, type AddView } from '../env.ts'
import { plainText } from '../plain-text.ts'
import { Table } from '../parts/table.tsx'
import { show } from '../show.tsx'

const PATH = `${BASE}/api-reference`

interface Listed {
  method: string
  path: string
  operation: Operation
}

const operationsOf = ({ paths = {} }: ApiDocument): Listed[] =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path: `${BASE}/api${path}`,
      operation,
    }))
  )

/** Where the values of a request are, such as `limit` of the query. */
const takenBy = (
  { parameters = [], requestBody }: Operation,
  { components }: ApiDocument
): string[] => {
  const { $ref: reference, ...own } = requestBody?.content?.['application/json']?.schema ?? {}
  const named = components?.schemas?.[reference?.split('/').at(-1) ?? '']
  return [
    ...parameters.map(({ name, in: place }) => (place === 'path' ? `{${name}}` : name)),
    ...Object.keys((named ?? own).properties ?? {}),
  ]
}

const cellsOf = ({ method, path, operation }: Listed, document: ApiDocument) => [
  <>
    <strong>{method}</strong> <code>{path}</code>
  </>,
  operation.summary ?? '',
  takenBy(operation, document).map((name, at) => (
    <>
      {at > 0 && ', '}
      <code>{name}</code>
    </>
  )),
]

const EXAMPLE = `curl -s http://127.0.0.1:8787${BASE}/api/templates -H "authorization: Bearer $ADMIN_TOKEN"`

export const addApiReference: AddView = (app, { apiDocument }) => {
  app.get('/api-reference', (context) => {
    const document = apiDocument()
    const content = (
      <>
        <p>
          Programs send the admin token with each request; ADMIN_READ_TOKEN is enough to read
          figures.
        </p>
        <pre>
          <code>{EXAMPLE}</code>
        </pre>
        <Table
          caption="Operations and their parameters"
          columns={['Operation', 'What it does', 'Parameters']}
          rows={operationsOf(document).map((listed) => cellsOf(listed, document))}
        />
        <p>
          <a href={`${PATH}/openapi.json`} hx-boost="false">
            The whole description, OpenAPI 3.1
          </a>
        </p>
      </>
    )
    return show(context, { title: 'Admin API', section: '/settings', content })
  })
  app.get('/api-reference/openapi.json', (context) =>
    plainText(context, JSON.stringify(apiDocument(), null, 2), 'openapi.json')
  )
}
