/** The same question to a live route and to the upstream alone, side by side. */
import type { BodyData } from 'hono/utils/body'
import { filledMessages, type Filling } from '../../../core/template/fill.ts'
import { AppError } from '../../../errors.ts'
import { templateNames } from '../../../lifecycle/find.ts'
import type { Store } from '../../../store/store.ts'
import { withQuery } from '../address.ts'
import { BASE, type AddView, type PageContext } from '../env.ts'
import { formText } from '../form-text.ts'
import { originOf } from '../origin.ts'
import { Notice } from '../parts/figures.tsx'
import { TemplateLink, type Names } from '../parts/links.tsx'
import { Line } from '../parts/text.tsx'
import { show } from '../show.tsx'
import { BothAnswers, Snippets } from './answers.tsx'
import { askBoth, type Tried } from './ask-both.ts'
import { prepare, type Prepared } from './load-try.ts'
import { snippetsOf } from './snippets.ts'
import { PATH, SLOT_FIELD, TryForm } from './try-form.tsx'

const VIEW = { title: 'Try', section: '/try' } as const

const Choice = ({ versions, names }: { versions: string[]; names: Names }) =>
  versions.length === 0 ? (
    <p class="empty">
      No route is live. Once one is, you can send a question to it and to the upstream here.{' '}
      <a href={`${BASE}/templates`}>Templates</a>
    </p>
  ) : (
    <>
      <p>Ask a live route and the upstream the same question:</p>
      <ul>
        {versions.map((version) => (
          <li>
            <a href={withQuery(PATH, { template: version })}>
              <Line text={names.get(version) ?? version} chars={60} />
            </a>
          </li>
        ))}
      </ul>
    </>
  )

const liveVersions = async (store: Pick<Store, 'routes'>): Promise<string[]> =>
  (await store.routes.list()).map(({ template }) => template.version)

const fillingIn = (form: BodyData, { slots, filling }: Prepared): Filling => {
  const query = formText(form, 'query')
  if (query.trim() === '') throw new AppError('invalid-request', 'write a question')
  const given = slots.map(({ name }) => [name, formText(form, `${SLOT_FIELD}${name}`)])
  return { ...filling, query, slots: Object.fromEntries(given) as Filling['slots'] }
}

/** A browser sends line ends as two characters. */
const unixLines = (form: BodyData): BodyData =>
  Object.fromEntries(
    Object.entries(form).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.replaceAll('\r\n', '\n') : value,
    ])
  )

interface ShownTry {
  prepared: Prepared
  filling: Filling
  isLive: boolean
  names: Names
  /** null: not asked yet */
  answers: [route: Tried, upstream: Tried] | null
}

const requestOf = ({ prepared, filling }: Pick<ShownTry, 'prepared' | 'filling'>) => ({
  ...prepared.fields,
  messages: filledMessages(prepared.template, filling),
})

const showTry = (context: PageContext, shown: ShownTry) => {
  const { prepared, isLive, names, answers } = shown
  const content = (
    <>
      <p>
        Sends a question to <TemplateLink version={prepared.template.version} names={names} />, and
        the same question with all routes bypassed. Neither is logged.
      </p>
      {!isLive && (
        <Notice tone="waits">No route of this template is live: the upstream answers both.</Notice>
      )}
      {answers !== null && <BothAnswers route={answers[0]} upstream={answers[1]} />}
      <h2>Ask</h2>
      <TryForm {...shown} formToken={context.get('formToken')} />
      <Snippets snippets={snippetsOf(`${originOf(context)}/v1`, requestOf(shown))} />
    </>
  )
  return show(context, { ...VIEW, content })
}

export const addTry: AddView = (app, deps) => {
  const { store } = deps

  const load = async (version: string) => {
    const prepared = await prepare(store, version)
    const isLive = (await liveVersions(store)).includes(prepared.template.version)
    return { prepared, isLive, names: await templateNames(store) }
  }

  app.get('/try', async (context) => {
    const version = (context.req.query('template') ?? '').trim()
    if (version !== '') {
      const loaded = await load(version)
      return showTry(context, { ...loaded, filling: loaded.prepared.filling, answers: null })
    }
    const content = (
      <Choice versions={await liveVersions(store)} names={await templateNames(store)} />
    )
    return show(context, { ...VIEW, content })
  })

  app.post('/try', async (context) => {
    const form = unixLines(await context.req.parseBody())
    const loaded = await load(formText(form, 'template'))
    const filling = fillingIn(form, loaded.prepared)
    const body = JSON.stringify(requestOf({ ...loaded, filling }))
    const { model } = loaded.prepared.template
    const answers = await askBoth(deps, { model, body }, formText(form, 'key').trim())
    return showTry(context, { ...loaded, filling, answers })
  })
}
