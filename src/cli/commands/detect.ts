import { Command } from 'commander'
import { createDetectLoop } from '../../worker/detect.ts'
import { withWorker } from '../context.ts'
import { createProgress, print, table, type OutputOptions } from '../output.ts'

const detect = (options: OutputOptions): Promise<void> =>
  withWorker(
    async (deps) => {
      const loop = await createDetectLoop(deps)
      const progress = createProgress()
      const [newest] = await deps.store.records.list({ order: 'desc', limit: 1 })
      let read = 0
      for (let settled = false; !settled;) {
        const page = await loop.step()
        read += page.read
        settled = page.settled && page.read === 0
        progress.update('records read', read, Math.max(read, newest?.sequence ?? read))
      }
      progress.stop()
      const templates = await deps.store.templates.list()
      const rows = await Promise.all(
        templates.map(async (template) => ({
          version: template.version,
          model: template.model,
          requests: (await deps.store.templates.stats(template.version)).requests,
          messages: template.messages.length,
        }))
      )
      if (options.json) return print({ recordsRead: read, templates: rows })
      print(
        table([
          ['template', 'model', 'requests', 'messages'],
          ...rows.map((row) => [row.version, row.model, row.requests, row.messages]),
        ])
      )
    },
    { engine: 'optional' }
  )

export const detectCommand = (): Command =>
  new Command('detect')
    .description('read the new records of the log and list the templates found')
    .option('--json', 'print JSON')
    .action(detect)
