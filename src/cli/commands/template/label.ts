import { Command, InvalidArgumentError } from 'commander'
import { MAX_LABEL_CHARS } from '../../../core/template/template.ts'
import { templateOf, withStore } from '../../context.ts'
import { print, type OutputOptions } from '../../output.ts'
import { readTitles } from '../../titles.ts'
import { visibleName } from '../../../visible-text.ts'

const labelText = (text: string): string => {
  const label = text.trim()
  if (label === '' || label.length > MAX_LABEL_CHARS)
    throw new InvalidArgumentError(`It must have 1 to ${MAX_LABEL_CHARS} characters.`)
  return label
}

const label = (
  template: string,
  text: string | undefined,
  { json }: OutputOptions
): Promise<void> =>
  withStore(async (store) => {
    const { version } = await templateOf(store, template)
    const given = text ?? null
    await store.templates.label(version, given)
    const titles = await readTitles(store)
    if (json) return print({ version, label: given, name: titles.name(version) })
    print(
      given === null
        ? `template ${titles.title(version)} has no label`
        : `template ${titles.id(version)} is labelled ${visibleName(given)}`
    )
  })

export const labelCommand = (): Command =>
  new Command('label')
    .description('give a template a readable name')
    .argument('<template>', 'template version, or the start of it')
    .argument('[text]', 'the label; without it the present one is removed', labelText)
    .option('--json', 'print JSON')
    .action(label)
