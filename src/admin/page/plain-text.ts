/** Answers with a whole text as it is, for a browser to show as text and nothing else. */
import type { PageContext } from './env.ts'

/** Asked by the script, the browser is sent there: the script would take the text for markup. */
export const plainText = (context: PageContext, text: string, filename: string) => {
  if (context.req.header('hx-request') !== undefined) {
    context.header('hx-redirect', new URL(context.req.url).pathname)
    return context.body(null, 204)
  }
  const name = filename.replaceAll(/[^\w.-]/g, '_')
  context.header('content-type', 'text/plain; charset=utf-8')
  context.header('content-disposition', `inline; filename="${name}"`)
  return context.body(text)
}
