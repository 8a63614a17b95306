/** The settings in force, without secrets, and how the page looks in this browser. */
import type { Setting } from '../../deps.ts'
import { BASE, type AddView } from '../env.ts'
import { Badge } from '../parts/figures.tsx'
import { Fold } from '../parts/fold.tsx'
import { TOKEN_FIELD } from '../parts/form.tsx'
import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'
import { formText } from '../form-text.ts'
import { keepPreferences, THEMES, type Preferences } from '../preferences.ts'

const BROWSER_PATH = `${BASE}/browser`

/** A new theme is of the whole document, which the script would not load. */
export const BrowserForm = ({ theme, hasKeys, formToken }: Preferences & { formToken: string }) => (
  <Fold name="This browser" tells="theme and keyboard shortcuts">
    <form method="post" action={BROWSER_PATH} class="filter" hx-boost="false">
      <fieldset class="choices">
        <legend>Theme</legend>
        {THEMES.map((known) => (
          <label for={`theme-${known}`}>
            <input
              id={`theme-${known}`}
              type="radio"
              name="theme"
              value={known}
              checked={known === theme}
            />{' '}
            {known}
          </label>
        ))}
      </fieldset>
      <label for="keys">
        <input id="keys" type="checkbox" name="keys" value="on" checked={hasKeys} /> keyboard
        shortcuts: j and k move through a list, / opens its search, ? lists all shortcuts
      </label>
      <input type="hidden" name={TOKEN_FIELD} value={formToken} />
      <button>Save in this browser</button>
    </form>
  </Fold>
)

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

export const addBrowser: AddView = (app) => {
  app.post('/browser', async (context) => {
    const form = await context.req.parseBody()
    const theme = THEMES.find((known) => known === formText(form, 'theme')) ?? 'system'
    keepPreferences(context, { theme, hasKeys: formText(form, 'keys') === 'on' })
    return context.redirect(BASE, 303)
  })
}
