/** Forgetting: records are selected, what would go is shown, and then it is done. */
import { templateNames } from '../../../lifecycle/find.ts'
import type { BodyData } from 'hono/utils/body'
import { forget } from '../../../lifecycle/forget.ts'
import { forgetTasks } from '../../../lifecycle/forget-task.ts'
import type { AdminDeps } from '../../deps.ts'
import { causeOf, type AddView, type PageApp, type PageContext } from '../env.ts'
import { formText } from '../form-text.ts'
import { Live } from '../layout.tsx'
import { Notice } from '../parts/figures.tsx'
import { counted } from '../parts/format.ts'
import { show } from '../show.tsx'
import {
  fieldsOf,
  ForgetAction,
  PATH,
  SelectionForm,
  selectionOf,
  type Fields,
} from './forget-forms.tsx'
import { Forgotten, WouldForget } from './forget-report.tsx'

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
