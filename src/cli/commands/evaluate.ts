import { Command } from 'commander'
import type { Verdict } from '../../core/gate/gate.ts'
import { armRows, evaluationRows } from '../../core/internalization/internalization.ts'
import { AppError } from '../../errors.ts'
import { askWorker, readRequest, removeRequest } from '../../lifecycle/worker-request.ts'
import type { Store } from '../../store/store.ts'
import { evaluateAgain } from '../../worker/requests.ts'
import {
  internalizationOf,
  requireWorkersEngine,
  sayHandedOver,
  withWorker,
  type There,
} from '../context.ts'
import { PrintedResult } from '../exit-code.ts'
import { EXIT } from '../../process/exit.ts'
import { print, type OutputOptions, type Screen } from '../output.ts'
import { internalizationTitle, readTitles } from '../titles.ts'
import { verdictText } from '../verdict-text.ts'

const showProgress = async (store: Store, { progress }: Screen, id: string): Promise<void> => {
  const { plan } = await internalizationOf(store, id)
  if (plan === null) return
  const done = armRows(plan, await store.internalizations.evaluations(id)).length
  progress.update('held-out answers', done, evaluationRows(plan))
}

const evaluateThere = async ({ store, screen, until }: There, id: string): Promise<Verdict> => {
  await requireWorkersEngine(store)
  const name = await askWorker(store, { kind: 'evaluate', internalization: id }, Date.now())
  const reply = await until(async () => {
    await showProgress(store, screen, id)
    return (await readRequest(store, name))?.reply ?? null
  })
  await removeRequest(store, name)
  if (reply.kind === 'evaluated') return reply.verdict
  throw reply.kind === 'failed'
    ? new AppError(reply.code, reply.message)
    : new AppError('internal', `the worker replied ${reply.kind} to an evaluation`)
}

/** @throws AppError `not-found`, `conflict` */
const named = async (store: Store, wanted: string) => {
  const row = await internalizationOf(store, wanted)
  const title = internalizationTitle(row, await readTitles(store))
  return { id: row.id, title, fields: row.plan?.answers.fields }
}

const evaluate = async (wanted: string, options: OutputOptions): Promise<void> => {
  const { title, fields, verdict } = await withWorker({
    needsEngine: true,
    check: (store) => internalizationOf(store, wanted),
    here: async ({ deps }) => {
      const row = await named(deps.store, wanted)
      return { ...row, verdict: await evaluateAgain(deps, deps.engine!, row.id) }
    },
    there: async (there) => {
      sayHandedOver(options)
      const row = await named(there.store, wanted)
      return { ...row, verdict: await evaluateThere(there, row.id) }
    },
  })
  print(options.json ? verdict : `${title}\n\n${verdictText(verdict, fields)}`)
  if (verdict.verdict === 'reject') throw new PrintedResult(EXIT.notAccepted)
}

export const evaluateCommand = (): Command =>
  new Command('evaluate')
    .description('evaluate a trained internalization with the current MARGIN; changes no state')
    .argument('<internalization>', 'id of the internalization, or the start of it')
    .option('--json', 'print JSON')
    .action(evaluate)
