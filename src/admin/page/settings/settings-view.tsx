/** The settings in force, without secrets. */
import type { Setting } from '../../deps.ts'
import { BASE, type AddView } from '../env.ts'
import { Badge } from '../parts/figures.tsx'
import { Filter, TextFilter } from '../parts/filter.tsx'
import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'
import { show } from '../show.tsx'

const PATH = `${BASE}/settings`

const fits = ({ name, value }: Setting, text: string): boolean =>
  `${name}=${value}`.toLowerCase().includes(text.toLowerCase())

const cellsOf = ({ name, value, isDefault }: Setting) => [
  <code>{name}</code>,
  value === '' ? <span class="cut">none</span> : <Text text={value} chars={300} />,
  isDefault ? 'default' : <Badge tone="plain">set</Badge>,
]

export const addSettings: AddView = (app, { settings }) => {
  app.get('/settings', (context) => {
    const text = (context.req.query('text') ?? '').trim()
    const content = (
      <>
        <Filter path={PATH} isFiltered={text !== ''}>
          <TextFilter name="text" label="Name or value" value={text} />
        </Filter>
        <Table
          caption="Settings of this server; of a secret only whether it is set"
          columns={[{ name: 'Setting' }, { name: 'Value' }, { name: 'Default or set' }]}
          rows={settings()
            .filter((setting) => fits(setting, text))
            .map(cellsOf)}
          empty="No setting fits the filter."
        />
        <p>
          They are environment variables, and read when the server starts. Programs use the{' '}
          <a href={`${BASE}/api-reference`}>admin API</a>.
        </p>
      </>
    )
    return show(context, { title: 'Settings', section: '/settings', content })
  })
}
