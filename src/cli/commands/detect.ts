import { Command } from 'commander'
import { askWorker, readRequest, removeRequest } from '../../lifecycle/worker-request.ts'
import type { Store } from '../../store/store.ts'
import { createDetectLoop } from '../../worker/detect.ts'
import { sayHandedOver, withWorker, type Here, type There } from '../context.ts'
import { print, table, type OutputOptions, type Screen } from '../output.ts'
import { readTitles } from '../titles.ts'

const NAME = 'records read'

const newestSequence = async (store: Store): Promise<number> => {
  const [newest] = await store.records.list({ order: 'desc', limit: 1, bodies: false })
  return newest?.sequence ?? 0
}

const detectHere = async ({ deps, screen }: Here): Promise<void> => {
  const loop = await createDetectLoop(deps)
  const upTo = await newestSequence(deps.store)
  for (;;) {
    const { read, cursor, settled } = await loop.step(true)
    screen.progress.update(NAME, Math.min(cursor, upTo), upTo)
    if (settled && read === 0) return
  }
}

const detectThere = async ({ store, screen, until }: There): Promise<void> => {
  const upTo = await newestSequence(store)
  const name = await askWorker(store, { kind: 'detect', upTo }, Date.now())
  await until(async () => {
    const request = await readRequest(store, name)
    screen.progress.update(NAME, request?.reply == null ? (request?.done ?? upTo) : upTo, upTo)
    return request === null || request.reply !== null ? true : null
  })
  await removeRequest(store, name)
}

const show = async (store: Store, screen: Screen, { json }: OutputOptions): Promise<void> => {
  const titles = await readTitles(store)
  const templates = await Promise.all(
    (await store.templates.list()).map(async ({ version, model, messages }) => ({
      version,
      name: titles.name(version),
      model,
      requests: (await store.templates.stats(version)).requests,
      messages: messages.length,
    }))
  )
  screen.progress.stop()
  if (json) return print({ templates })
  if (templates.length === 0) return print('no template was found in the log')
  print(
    table(
      [
        ['template', 'name', 'model', 'requests'],
        ...templates.map((row) => [titles.id(row.version), row.name, row.model, row.requests]),
      ],
      1
    )
  )
}

const detect = (options: OutputOptions): Promise<void> =>
  withWorker({
    needsEngine: false,
    here: async (here) => {
      await detectHere(here)
      await show(here.deps.store, here.screen, options)
    },
    there: async (there) => {
      sayHandedOver(options)
      await detectThere(there)
      await show(there.store, there.screen, options)
    },
  })

export const detectCommand = (): Command =>
  new Command('detect')
    .description('read the new records of the log and list the templates found')
    .option('--json', 'print JSON')
    .action(detect)
