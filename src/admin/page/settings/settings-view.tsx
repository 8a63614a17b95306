/** How the page looks in this browser, and the settings in force, without secrets. */
import type { Setting } from '../../deps.ts'
import { BASE, type AddView } from '../env.ts'
import { Badge } from '../parts/figures.tsx'
import { Filter, TextFilter } from '../parts/filter.tsx'
import { TOKEN_FIELD } from '../parts/form.tsx'
import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'
import { formText } from '../form-text.ts'
import { keepPreferences, preferencesOf, THEMES, type Preferences } from '../preferences.ts'
import { show } from '../show.tsx'

const PATH = `${BASE}/settings`

/** Sent by every role. */
export const BROWSER_PATH = `${PATH}/browser`

/** A new theme is of the whole document, which the script would not load. */
const BrowserForm = ({ theme, hasKeys, formToken }: Preferences & { formToken: string }) => (
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
)

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
        <h2>This browser</h2>
        <BrowserForm {...preferencesOf(context)} formToken={context.get('formToken')} />
        <h2>This server</h2>
        <Filter path={PATH} isFiltered={text !== ''}>
          <TextFilter name="text" label="Name or value" value={text} />
        </Filter>
        <Table
          caption="Settings of this server; secrets are masked"
          class="rows"
          columns={[
            'Setting',
            { name: 'Value', class: 'line' },
            { name: 'Default or set', class: 'end' },
          ]}
          rows={settings()
            .filter((setting) => fits(setting, text))
            .map(cellsOf)}
          empty="No setting matches the filter."
        />
        <p>
          They are environment variables, and read when the server starts. Programs use the{' '}
          <a href={`${BASE}/api-reference`}>admin API</a>.
        </p>
      </>
    )
    return show(context, { title: 'Settings', section: '/settings', content })
  })

  app.post('/settings/browser', async (context) => {
    const form = await context.req.parseBody()
    const theme = THEMES.find((known) => known === formText(form, 'theme')) ?? 'system'
    keepPreferences(context, { theme, hasKeys: formText(form, 'keys') === 'on' })
    return context.redirect(PATH, 303)
  })
}
