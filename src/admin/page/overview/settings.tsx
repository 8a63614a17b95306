/** The settings in force, without secrets. */
import type { Setting } from '../../deps.ts'
import { BASE } from '../env.ts'
import { Badge } from '../parts/figures.tsx'
import { Fold } from '../parts/fold.tsx'
import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'

const cellsOf = ({ name, value, isDefault }: Setting) => [
  <code>{name}</code>,
  value === '' ? <span class="cut">none</span> : <Text text={value} chars={300} />,
  isDefault ? 'default' : <Badge tone="plain">set</Badge>,
]

export const ServerSettings = ({ settings }: { settings: Setting[] }) => (
  <Fold name="This server" tells="its settings, and the admin API">
    <Table
      caption="Settings of this server; secrets are masked"
      class="rows"
      columns={[
        'Setting',
        { name: 'Value', class: 'line' },
        { name: 'Default or set', class: 'end' },
      ]}
      rows={settings.map(cellsOf)}
    />
    <p>
      They are environment variables, and read when the server starts. Programs use the admin API:{' '}
      <a href={`${BASE}/openapi.json`} hx-boost="false">
        its description, OpenAPI 3.1
      </a>
      .
    </p>
  </Fold>
)
