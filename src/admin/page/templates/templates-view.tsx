/** Templates: the list, one of them, and two of them compared. */
import type { BodyData } from 'hono/utils/body'
import { FIELD_KINDS, type FieldKind } from '../../../core/answer/field-rules.ts'
import { shortId } from '../../../core/template/name.ts'
import { MAX_LABEL_CHARS } from '../../../core/template/template.ts'
import { AppError } from '../../../errors.ts'
import { newInternalization } from '../../../core/internalization/internalization.ts'
import { removeFieldRule, setFieldRule } from '../../../lifecycle/fields/field-rules.ts'
import type { AdminDeps } from '../../deps.ts'
import { readTemplate } from '../../../views/template.ts'
import { templatePath } from '../address.ts'
import { causeOf, isFull, type AddView, type PageApp, type PageContext } from '../env.ts'
import { formText, noteOf } from '../form-text.ts'
import { visibleText } from '../parts/visible-text.ts'
import { plainText, show } from '../show.tsx'
import { DifferenceView } from './difference-view.tsx'
import { loadTemplate } from './load-template.ts'
import { loadTemplates, type TemplateFilter } from './load-templates.ts'
import { promptAsText } from './prompt.tsx'
import { TemplateList } from './template-list.tsx'
import { TemplateView } from './template-view.tsx'

const SECTION = '/templates'

const filterOf = ({ req }: PageContext): TemplateFilter => {
  const field = (name: string): string => (req.query(name) ?? '').trim()
  return {
    text: field('text'),
    state: field('state'),
    tenant: field('tenant'),
    page: Number.parseInt(field('page'), 10) || 1,
  }
}

/** Whether figures that take seconds are asked for. */
const isAssessed = ({ req }: PageContext): boolean => req.query('economics') !== undefined

const addDecisions = (app: PageApp, { store, now, newId }: AdminDeps): void => {
  app.post('/templates/:version/internalize', async (context) => {
    const template = await readTemplate(store, context.req.param('version'))
    const created = newInternalization(newId(), template, now())
    const note = noteOf(await context.req.parseBody())
    await store.internalizations.create(created, causeOf(context), note)
    return context.redirect(templatePath(template.version), 303)
  })

  app.post('/templates/:version/label', async (context) => {
    const { version } = await readTemplate(store, context.req.param('version'))
    const label = formText(await context.req.parseBody(), 'label').trim()
    if (label.length > MAX_LABEL_CHARS)
      throw new AppError(
        'invalid-request',
        `a label may have at most ${MAX_LABEL_CHARS} characters`
      )
    await store.templates.label(version, label === '' ? null : label)
    return context.redirect(templatePath(version), 303)
  })
}

/** @throws AppError `invalid-request` for a rule that the form does not have */
const ruleIn = (form: BodyData): FieldKind => {
  const kind = FIELD_KINDS.find((each) => each === formText(form, 'rule'))
  if (kind === undefined) throw new AppError('invalid-request', 'choose a rule')
  return kind === 'rounded' ? { kind, to: Number(formText(form, 'step')) } : { kind }
}

const addFieldRules = (app: PageApp, { store, now }: AdminDeps): void => {
  app.post('/templates/:version/field', async (context) => {
    const { version } = await readTemplate(store, context.req.param('version'))
    const form = await context.req.parseBody()
    const given = {
      path: formText(form, 'path').trim(),
      rule: ruleIn(form),
      why: noteOf(form) ?? '',
    }
    await setFieldRule(store, version, given, { by: causeOf(context), now: now() })
    return context.redirect(templatePath(version), 303)
  })

  app.post('/templates/:version/remove-field', async (context) => {
    const { version } = await readTemplate(store, context.req.param('version'))
    await removeFieldRule(store, version, formText(await context.req.parseBody(), 'path'))
    return context.redirect(templatePath(version), 303)
  })
}

export const addTemplates: AddView = (app, deps) => {
  const { store } = deps

  app.get('/templates', async (context) => {
    const filter = filterOf(context)
    const shown = await loadTemplates(deps, filter, isAssessed(context))
    const content = (
      <TemplateList
        filter={filter}
        shown={shown}
        isAssessed={isAssessed(context)}
        neededRequests={deps.neededRequests}
        mayOpen={isFull(context)}
      />
    )
    return show(context, { title: 'Templates', section: SECTION, content })
  })

  app.get('/templates/:version', async (context) => {
    const { version } = context.req.param()
    const loaded = await loadTemplate(deps, version, isAssessed(context))
    const content = <TemplateView loaded={loaded} formToken={context.get('formToken')} />
    const name = visibleText(loaded.name)
    return show(context, { title: `Template ${name}`, section: SECTION, content })
  })

  app.get('/templates/:version/prompt.txt', async (context) => {
    const template = await readTemplate(store, context.req.param('version'))
    return plainText(context, promptAsText(template), `prompt-${template.version}.txt`)
  })

  app.get('/templates/:version/diff/:other', async (context) => {
    const { version, other } = context.req.param()
    const content = (
      <DifferenceView
        one={await readTemplate(store, version)}
        other={await readTemplate(store, other)}
      />
    )
    const title = `Template ${shortId(version)} against ${shortId(other)}`
    return show(context, { title, section: SECTION, content })
  })

  addDecisions(app, deps)
  addFieldRules(app, deps)
}
