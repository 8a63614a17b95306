/** How the page looks in this browser, and the settings in force, without secrets. */
import { providerText } from '../../../core/cost/provider-prices.ts'
import { isGrave } from '../../../core/engine-conditions.ts'
import type { EngineState } from '../../../openai/engine-state.ts'
import { readEngineNote } from '../../../savings/engine-note.ts'
import type { Setting } from '../../deps.ts'
import { BASE, type AddView } from '../env.ts'
import { Badge, Notice } from '../parts/figures.tsx'
import { Filter, TextFilter } from '../parts/filter.tsx'
import { TOKEN_FIELD } from '../parts/form.tsx'
import { Table } from '../parts/table.tsx'
import { Line, Text } from '../parts/text.tsx'
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

const EngineSection = ({ state }: { state: EngineState }) => (
  <>
    <h2>The engine</h2>
    <p>
      {state.provider === null
        ? 'It computes on machines of the operator, as far as it says.'
        : `${providerText(state.provider, state.prices)}. Training rows and matched requests go there.`}
    </p>
    {state.conditions.map(({ kind, message }) => (
      <Notice tone={isGrave(kind) ? 'bad' : 'waits'}>
        <Line text={message} chars={500} />
      </Notice>
    ))}
  </>
)

export const addSettings: AddView = (app, { settings, store, status }) => {
  app.get('/settings', async (context) => {
    const note = status().engine === 'none' ? null : await readEngineNote(store)
    const text = (context.req.query('text') ?? '').trim()
    const content = (
      <>
        <h2>This browser</h2>
        <BrowserForm {...preferencesOf(context)} formToken={context.get('formToken')} />
        {note !== null && <EngineSection state={note.state} />}
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
