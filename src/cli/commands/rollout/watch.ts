import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import type { Internalization } from '../../../core/internalization/internalization.ts'
import { shortId } from '../../../core/template/name.ts'
import { AppError } from '../../../errors.ts'
import type { Store } from '../../../store/store.ts'
import { withStore } from '../../context.ts'
import { PrintedResult } from '../../exit-code.ts'
import { EXIT } from '../../../process/exit.ts'
import { print, secondText, width, writeOut, type OutputOptions } from '../../output.ts'
import { createRepaint } from '../../rollout/repaint.ts'
import { chosen, OF_LIVE } from '../../rollout/rollout-of.ts'
import { rolloutJson, rolloutLine, rolloutText, timedLine } from '../../rollout/rollout-text.ts'
import { viewRollout, type ReadView, type RolloutView } from '../../rollout/rollout-view.ts'
import { whileHeard } from '../../stop-signal.ts'
import { readTitles, type Titles } from '../../titles.ts'

interface WatchOptions extends OutputOptions {
  once?: boolean
}

const POLL_MS = 1_000

type Show = (view: RolloutView) => void

/** @throws AppError `not-found`; `invalid-state` when it was never live */
const rolledOut = async (
  store: Store,
  wanted: string,
  titles: Titles
): Promise<Internalization> => {
  const row = await chosen(store, wanted, ['live', 'retired'])
  const { id, state, templateVersion } = row
  if (state.name === 'live' || state.name === 'retired') return row
  const hint =
    state.name === 'approval' ? `: promptintern promote ${titles.id(templateVersion)}` : ''
  throw new AppError(
    'invalid-state',
    `internalization ${shortId(id)} is ${state.name}, so it has no rollout to watch${hint}`
  )
}

/** Calls for a text only where it is another one than before. */
const onChange = (textOf: (view: RolloutView) => string, write: Show): Show => {
  let last: string | null = null
  return (view) => {
    const text = textOf(view)
    if (text !== last) write(view)
    last = text
  }
}

const showOnce = (view: RolloutView, { json }: WatchOptions): void =>
  print(json ? rolloutJson(view, Date.now()) : rolloutText(view, width()))

/** Redraws on a terminal; elsewhere, and with `--json`, writes a line for each change. */
const showAlways = ({ json }: WatchOptions): Show => {
  const { stdout } = process
  if (json)
    return onChange(
      ({ state, report }) => JSON.stringify([state, report]),
      (view) => writeOut(`${JSON.stringify(rolloutJson(view, Date.now()))}\n`)
    )
  if (stdout.isTTY !== true)
    return onChange(rolloutLine, (view) => writeOut(`${timedLine(view, Date.now())}\n`))
  const repaint = createRepaint(stdout)
  return (view) =>
    repaint(`${rolloutText(view, width())}\n\n${secondText(Date.now())} UTC; Ctrl+C ends this view`)
}

/** Shows the rollout until it is over, or until the signal aborts. @returns the last view */
const follow = async (read: ReadView, show: Show, signal: AbortSignal): Promise<RolloutView> => {
  for (;;) {
    const view = await read()
    show(view)
    if (view.state.name === 'retired' || signal.aborted) return view
    // an abort ends the wait
    await delay(POLL_MS, undefined, { signal }).catch(() => {})
    if (signal.aborted) return view
  }
}

const watch = (wanted: string, options: WatchOptions): Promise<void> =>
  withStore(async (store, config) => {
    const titles = await readTitles(store)
    const { id } = await rolledOut(store, wanted, titles)
    const read = viewRollout({ store, id, titles, settings: config.rollout })
    let view: RolloutView
    if (options.once) showOnce((view = await read()), options)
    else view = await whileHeard((signal) => follow(read, showAlways(options), signal))
    if (view.state.name === 'retired' && view.state.evidence !== undefined)
      throw new PrintedResult(EXIT.notAccepted)
  })

export const watchCommand = (): Command =>
  new Command('watch')
    .description(
      'watch the rollout of a live lora: its stage, pairs, loss and evidence; ends with ' +
        'Ctrl+C, or when the lora is retired'
    )
    .argument('<template>', OF_LIVE)
    .option('--once', 'show the present state and end')
    .option('--json', 'print JSON: an object for each change')
    .action(watch)
