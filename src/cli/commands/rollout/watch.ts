import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import type { Internalization } from '../../../core/internalization/internalization.ts'
import { shortId } from '../../../core/template/name.ts'
import { AppError } from '../../../errors.ts'
import type { Store } from '../../../store/store.ts'
import { internalizationOf, withStore } from '../../context.ts'
import { PrintedResult } from '../../exit-code.ts'
import { EXIT } from '../../../process/exit.ts'
import { print, secondText, wrapped, writeOut, type OutputOptions } from '../../output.ts'
import { createRepaint } from '../../rollout/repaint.ts'
import { chosen, OF_LIVE } from '../../rollout/rollout-of.ts'
import {
  rolloutLine,
  rolloutText,
  timedLine,
  type ShownRollout,
} from '../../rollout/rollout-text.ts'
import { whileHeard } from '../../stop-signal.ts'
import { readTitles, type Titles } from '../../titles.ts'
import { internalizationView } from '../../../views/internalization.ts'

interface WatchOptions extends OutputOptions {
  once?: boolean
}

const POLL_MS = 1_000

type Show = (rollout: ShownRollout) => void

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
const onChange = (textOf: (rollout: ShownRollout) => string, write: Show): Show => {
  let last: string | null = null
  return (rollout) => {
    const text = textOf(rollout)
    if (text !== last) write(rollout)
    last = text
  }
}

const showOnce = (rollout: ShownRollout, { json }: WatchOptions): void =>
  print(json ? rollout.view : rolloutText(rollout))

/** Redraws on a terminal; elsewhere, and with `--json`, writes a line for each change. */
const showAlways = ({ json }: WatchOptions): Show => {
  const { stdout } = process
  if (json)
    return onChange(
      ({ view: { state, rollout } }) => JSON.stringify([state, rollout]),
      ({ view }) => writeOut(`${JSON.stringify(view)}\n`)
    )
  if (stdout.isTTY !== true)
    return onChange(
      ({ view, settings }) => rolloutLine(view, settings),
      ({ view, settings }) => writeOut(`${timedLine(view, settings, Date.now())}\n`)
    )
  const repaint = createRepaint(stdout)
  return (rollout) =>
    repaint(
      wrapped(`${rolloutText(rollout)}\n\n${secondText(Date.now())} UTC; Ctrl+C ends this view`)
    )
}

/** Shows the rollout until it is over, or until the signal aborts. @returns the last one */
const follow = async (
  read: () => Promise<ShownRollout>,
  show: Show,
  signal: AbortSignal
): Promise<ShownRollout> => {
  for (;;) {
    const rollout = await read()
    show(rollout)
    if (rollout.view.state.name === 'retired' || signal.aborted) return rollout
    // an abort ends the wait
    await delay(POLL_MS, undefined, { signal }).catch(() => {})
    if (signal.aborted) return rollout
  }
}

const watch = (wanted: string, options: WatchOptions): Promise<void> =>
  withStore(async (store, { rollout: settings }) => {
    const titles = await readTitles(store)
    const { id, templateVersion: version } = await rolledOut(store, wanted, titles)
    const model = (await store.templates.get(version))?.model ?? 'the upstream'
    const shown = { id: titles.id(version), title: titles.title(version) }
    const read = async (): Promise<ShownRollout> => {
      const view = await internalizationView(store, await internalizationOf(store, id))
      return { view, shown, model, settings }
    }
    let last: ShownRollout
    if (options.once) showOnce((last = await read()), options)
    else last = await whileHeard((signal) => follow(read, showAlways(options), signal))
    const { state } = last.view
    if (state.name === 'retired' && state.evidence !== undefined)
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
    .option('--json', 'print JSON: the internalization, as the admin API has it, for each change')
    .action(watch)
