/** Answers with a view in its frame. */
import type { Child } from 'hono/jsx'
import type { PageContext } from './env.ts'
import { Layout, type SectionPath } from './layout.tsx'
import { preferencesOf } from './preferences.ts'

export interface View {
  title: string
  section: SectionPath
  content: Child
}

export const show = (context: PageContext, { title, section, content }: View) => {
  const { session, formToken, assets, revision } = context.var
  return context.html(
    <Layout
      title={title}
      assets={assets}
      preferences={preferencesOf(context)}
      signedIn={{ session, formToken, section, revision }}
    >
      {content}
    </Layout>
  )
}
