/** Answers with a view in its frame. */
import type { PageContext } from './env.ts'
import type { Child } from 'hono/jsx'
import { Layout, type SectionPath } from './layout.tsx'

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

interface View {
  title: string
  section: SectionPath
  content: Child
}

export const show = (context: PageContext, { title, section, content }: View) => {
  const { session, formToken, assets, revision } = context.var
  return context.html(
    <Layout title={title} assets={assets} signedIn={{ session, formToken, section, revision }}>
      {content}
    </Layout>
  )
}
