/** Forgetting: records are selected, what would go is shown, and then it is done. */
import type { Selection } from '../../../core/log/selection.ts'
import { AppError } from '../../../errors.ts'
import { BASE, causeOf, type AddView, type PageApp, type PageContext } from '../env.ts'
import { Action, TOKEN_FIELD } from '../parts/form.tsx'
import { forget, type ForgetReport, type Learned } from '../../../lifecycle/forget.ts'
import { Notice } from '../parts/figures.tsx'
import { counted, whole } from '../../../core/figure-text.ts'
import { InternalizationLink, TemplateLink, type Names } from '../links.tsx'
import { STATE_WORDS } from '../../../views/say-state.ts'
import { numbers, Table } from '../parts/table.tsx'
import { templateNames } from '../../../lifecycle/find.ts'
import type { BodyData } from 'hono/utils/body'
import { forgetTasks } from '../../../lifecycle/forget-task.ts'
import type { AdminDeps } from '../../deps.ts'
import { formText } from '../form-text.ts'
import { Live } from '../layout.tsx'
import { show } from '../show.tsx'

const PATH = `${BASE}/forget`
const LOOK = `${PATH}/look`
const MAX_RECORD_IDS = 1_000

/** As a person writes them. */
interface Fields {
  tenant: string
  user: string
  /** ids, apart by spaces, commas or lines */
  records: string
}

const fieldsOf = (field: (name: keyof Fields) => string): Fields => ({
  tenant: field('tenant').trim(),
  user: field('user').trim(),
  records: field('records').trim(),
})

/** @throws AppError `invalid-request` for too many ids */
const selectionOf = ({ tenant, user, records }: Fields): Selection => {
  const recordIds = records.split(/[\s,]+/).filter((id) => id !== '')
  if (recordIds.length > MAX_RECORD_IDS)
    throw new AppError('invalid-request', `give at most ${MAX_RECORD_IDS} record ids at once`)
  return {
    ...(recordIds.length === 0 ? {} : { recordIds }),
    ...(tenant === '' ? {} : { tenant }),
    ...(user === '' ? {} : { user }),
  }
}

const SelectionForm = ({ fields, formToken }: { fields: Fields; formToken: string }) => (
  <form method="post" action={LOOK} class="stacked">
    <p>Selects the records that match every field you fill in.</p>
    <label for="tenant">Tenant</label>
    <input id="tenant" name="tenant" value={fields.tenant} autocomplete="off" />
    <label for="user">
      User: <code>user</code>, <code>safety_identifier</code> or <code>metadata.user_id</code> of
      the request
    </label>
    <input id="user" name="user" value={fields.user} autocomplete="off" />
    <label for="records">Record ids, separated by spaces, commas or line breaks</label>
    <textarea id="records" name="records" rows={4}>
      {fields.records}
    </textarea>
    <input type="hidden" name={TOKEN_FIELD} value={formToken} />
    <button>Preview the deletion</button>
    <p>
      The preview deletes nothing. The search for a user reads every request and may take minutes.
    </p>
  </form>
)

const ForgetAction = ({ fields, formToken }: { fields: Fields; formToken: string }) => (
  <Action
    verb="Delete these records"
    says={
      'Deletes the records and all copies of their text. This cannot be undone. ' +
      'Trainings that use them are stopped.'
    }
    path={PATH}
    formToken={formToken}
    reason="none"
    tone="bad"
  >
    {(Object.keys(fields) as (keyof Fields)[]).map((name) => (
      <input type="hidden" name={name} value={fields[name]} />
    ))}
    <label for="retire">
      <input id="retire" type="checkbox" name="retire" value="yes" /> retire: also delete the loras
      that were trained on them, and their routes
    </label>
  </Action>
)

const learnedCells = (
  { id, templateVersion, state, trained, heldOut, loras }: Learned,
  names: Names
) => [
  <InternalizationLink id={id} />,
  <TemplateLink version={templateVersion} names={names} />,
  STATE_WORDS[state],
  whole(trained),
  whole(heldOut),
  whole(loras.length),
]

/** Internalizations that used the records. */
const LearnedTable = ({ learned, names }: { learned: Learned[]; names: Names }) => (
  <Table
    caption="Internalizations that used these records"
    columns={[
      'Internalization',
      'Template',
      'State',
      ...numbers('Trained on', 'Judged with', 'Loras'),
    ]}
    rows={learned.map((row) => learnedCells(row, names))}
    empty="No internalization used them."
  />
)

const isTrained = ({ learned }: ForgetReport): boolean => learned.some(({ trained }) => trained > 0)

interface ForgetReportProps {
  report: ForgetReport
  names: Names
}

const WouldForget = ({ report, names }: ForgetReportProps) => (
  <>
    <p>
      <strong>{counted(report.records, 'record')}</strong> would be deleted, with all copies of
      their text. {isTrained(report) && 'Loras were trained on some of them.'}
    </p>
    <LearnedTable learned={report.learned} names={names} />
  </>
)

const doneText = ({ records, bodies, learned }: ForgetReport): string =>
  records === 0 && learned.length === 0
    ? 'No record matches: nothing was deleted.'
    : `${counted(records, 'record')} with ${whole(bodies ?? 0)} bodies were deleted. The running totals, which have no text, stay.`

const Forgotten = ({ report, names, retired }: ForgetReportProps & { retired: boolean }) => (
  <>
    <Notice tone="good">{doneText(report)}</Notice>
    {report.task !== null && (
      <p>
        The worker now removes templates without records, cleans the database's files, and has the
        engine delete its training files.
      </p>
    )}
    {isTrained(report) && !retired && (
      <Notice tone="waits">
        Loras that were trained on the records still contain what they learned: forget again with
        “retire” to delete these loras and their routes.
      </Notice>
    )}
    <LearnedTable learned={report.learned} names={names} />
  </>
)

const Pending = ({ tasks }: { tasks: number }) => (
  <Live id="forgetting">
    {tasks > 0 && (
      <Notice tone="waits">
        The worker has not finished {counted(tasks, 'earlier forget request')} yet.
      </Notice>
    )}
  </Live>
)

const forgetContext = (deps: AdminDeps, context: PageContext) => ({
  by: causeOf(context),
  now: deps.now(),
  rollout: deps.rollout,
  newId: deps.newId,
})

const formFields = (form: BodyData): Fields => fieldsOf((name) => formText(form, name))

/** The newest; the API and the command line have all. */

const VIEW = { title: 'Forget', section: '/forget' } as const

const addDecisions = (app: PageApp, deps: AdminDeps): void => {
  const { store, refreshRoutes } = deps

  app.post('/forget/look', async (context) => {
    const fields = formFields(await context.req.parseBody())
    const report = await forget(
      store,
      { selection: selectionOf(fields), retire: false, dryRun: true },
      forgetContext(deps, context)
    )
    const formToken = context.get('formToken')
    const content = (
      <>
        <WouldForget report={report} names={await templateNames(store)} />
        <div class="actions">
          <ForgetAction fields={fields} formToken={formToken} />
        </div>
        <h2>Select others</h2>
        <SelectionForm fields={fields} formToken={formToken} />
      </>
    )
    return show(context, { ...VIEW, content })
  })

  app.post('/forget', async (context) => {
    const form = await context.req.parseBody()
    const retire = formText(form, 'retire') === 'yes'
    const report = await forget(
      store,
      { selection: selectionOf(formFields(form)), retire, dryRun: false },
      forgetContext(deps, context)
    )
    if (retire) await refreshRoutes()
    const content = (
      <>
        <Forgotten report={report} names={await templateNames(store)} retired={retire} />
        <p>
          <a href={PATH}>Forget others</a>
        </p>
      </>
    )
    return show(context, { ...VIEW, content })
  })
}

export const addForget: AddView = (app, deps) => {
  app.get('/forget', async (context) => {
    const fields = fieldsOf((name) => context.req.query(name) ?? '')
    const tasks = (await forgetTasks(deps.store)).length
    const content = (
      <>
        <Pending tasks={tasks} />
        <SelectionForm fields={fields} formToken={context.get('formToken')} />
      </>
    )
    return show(context, { ...VIEW, content })
  })

  // a person who loads the view again after they looked
  app.get('/forget/look', (context) => context.redirect(PATH, 303))

  addDecisions(app, deps)
}
