import { Command } from 'commander'
import { evidenceFile } from '../../../lifecycle/evidence-file.ts'
import { internalizationOf, withStore } from '../../context.ts'
import { writeOut } from '../../output.ts'

const evidence = (id: string): Promise<void> =>
  withStore(async (store) => {
    const file = await evidenceFile(store, await internalizationOf(store, id), Date.now())
    // on one line: it may have 100,000 pairs
    writeOut(`${JSON.stringify(file)}\n`)
  })

export const evidenceCommand = (): Command =>
  new Command('evidence')
    .description(
      'print the evidence file of an internalization: figures, without text, with which promptintern verify computes its decision again'
    )
    .argument('<internalization>', 'id of the internalization')
    .option('--json', 'print errors as JSON, like the file')
    .action(evidence)
