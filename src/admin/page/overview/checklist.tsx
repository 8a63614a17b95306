/** The way from an empty log to a live route: what is done, and the command for what comes next. */
import type { Child } from 'hono/jsx'
import type { Internalization } from '../../../core/internalization/internalization.ts'
import { missingRequests, missingText } from '../../../core/internalization/missing-requests.ts'
import { shellWord } from '../../../core/shell-word.ts'
import type { AdminDeps } from '../../deps.ts'
import { internalizationPath } from '../address.ts'
import { BASE } from '../env.ts'
import { Badge } from '../parts/figures.tsx'
import { Live } from '../layout.tsx'
import { encoderIn, PULL_ENCODER } from './health.tsx'
import type { LoadedOverview } from './load-overview.ts'

interface Step {
  name: string
  isDone: boolean
  /** what is missing, where it is the next one */
  says: Child
  command: string | null
}

type ChecklistDeps = Pick<AdminDeps, 'store' | 'status' | 'neededRequests'>

const SEND_ONE = `curl "$OPENAI_BASE_URL/chat/completions" -H "authorization: Bearer $OPENAI_API_KEY" -H 'content-type: application/json' \\
  -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Say hello."}]}'`

const clientStep = (isDone: boolean, origin: string): Step => ({
  name: 'A client is connected',
  isDone,
  says: 'Point an application at this server (its API key stays the same), send one request, or import a log.',
  command: `export OPENAI_BASE_URL=${shellWord(`${origin}/v1`)}
${SEND_ONE}
# or: npx promptintern import <log.jsonl>`,
})

const templateStep = (isDone: boolean): Step => ({
  name: 'A recurring prompt is found',
  isDone,
  says: 'The worker looks for prompts that requests share. It needs about a hundred requests of one prompt.',
  command: 'npx promptintern status',
})

const ENGINE_COMMAND = `${PULL_ENCODER}
ENGINE=onnx ENCODER_PATH=${encoderIn('data')} npm start`

const verdictStep = async (
  { store, status, neededRequests }: ChecklistDeps,
  rows: Internalization[]
): Promise<Step> => {
  const name = 'A first verdict exists'
  const isDone = rows.some(({ verdict }) => verdict !== null)
  if (status().engine === 'none')
    return {
      name,
      isDone,
      says: 'No engine is configured, so nothing can be trained. A label head needs an encoder of 92 MB:',
      command: ENGINE_COMMAND,
    }
  if (rows.length > 0) {
    const jobs = <a href={`${BASE}/jobs`}>Jobs</a>
    return { name, isDone, says: <>The worker trains and judges: {jobs}</>, command: null }
  }
  const [nearest] = (await store.templates.totals()).toSorted(
    (a, b) => missingRequests(a, neededRequests) - missingRequests(b, neededRequests)
  )
  return {
    name,
    isDone,
    says:
      nearest === undefined
        ? 'The worker starts automatically when a prompt has enough requests.'
        : `The worker starts automatically when a prompt has enough requests. The nearest one ${missingText(nearest, neededRequests)}.`,
    command: nearest === undefined ? null : `npx promptintern internalize ${nearest.version}`,
  }
}

const routeStep = (rows: Internalization[]): Step => {
  const waiting = rows.find(({ state }) => state.name === 'approval')
  return {
    name: 'A first route is live',
    isDone: rows.some(({ state }) => state.name === 'live' || state.name === 'retired'),
    says:
      waiting === undefined ? (
        'A template whose proof holds waits for your approval.'
      ) : (
        <>
          One waits for your approval:{' '}
          <a href={internalizationPath(waiting.id)}>review and decide</a>, or
        </>
      ),
    command: waiting === undefined ? null : `npx promptintern promote ${waiting.templateVersion}`,
  }
}

/** @param origin of this server, as the browser reaches it @returns null when a route was live once */
export const loadChecklist = async (
  deps: ChecklistDeps,
  { rows, names }: Pick<LoadedOverview, 'rows' | 'names'>,
  origin: string
): Promise<Step[] | null> => {
  const { store, status } = deps
  if (status().routes > 0) return null
  const route = routeStep(rows)
  if (route.isDone) return null
  // each step is known from the one behind it: a store with much in it is not read for it
  const hasTemplate = rows.length > 0 || names.size > 0
  const hasClient =
    hasTemplate || (await store.records.search({ limit: 1, bodies: false })).data.length > 0
  return [
    clientStep(hasClient, origin),
    templateStep(hasTemplate),
    await verdictStep(deps, rows),
    route,
  ]
}

const Next = ({ says, command }: Step) => (
  <>
    <p>{says}</p>
    {command !== null && (
      <pre tabindex={0} data-copy>
        {command}
      </pre>
    )}
  </>
)

export const Checklist = ({ steps }: { steps: Step[] | null }) => {
  const next = steps?.find(({ isDone }) => !isDone)
  return (
    <Live id="checklist">
      {steps !== null && (
        <ol class="panel checklist">
          {steps.map((step) => (
            <li>
              <Badge tone={step.isDone ? 'good' : step === next ? 'waits' : 'plain'}>
                {step.isDone ? 'done' : step === next ? 'next' : 'later'}
              </Badge>{' '}
              <strong>{step.name}</strong>
              {step === next && <Next {...step} />}
            </li>
          ))}
        </ol>
      )}
    </Live>
  )
}
