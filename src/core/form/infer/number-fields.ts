/** Numbers the fields and choices of a found tree. */
import type { CopiedNode, FormNode } from '../form.ts'

/** Numbers all fields and choices in the order of the tree; nodes that share a field get its number. */
export const numbered = (
  root: FormNode,
  shared: ReadonlyMap<CopiedNode, CopiedNode> = new Map<CopiedNode, CopiedNode>()
): FormNode => {
  let fields = 0
  let choices = 0
  const visit = (node: FormNode, isConditional: boolean): void => {
    if (node.kind === 'copied') {
      const first = shared.get(node)
      node.field = first === undefined ? fields++ : first.field
    } else if (node.kind === 'set') {
      node.choices = node.labels.map(() => choices++)
      node.isConditional = isConditional
    } else if (node.kind === 'choice') {
      node.choice = choices++
      node.isConditional = isConditional
      for (const branch of node.branches) visit(branch, true)
    } else if (node.kind === 'object') {
      for (const member of node.members) visit(member.node, isConditional)
    } else if (node.kind === 'list') visit(node.item, isConditional)
    else if (node.kind === 'text')
      for (const part of node.parts) if (typeof part !== 'string') visit(part, isConditional)
  }
  visit(root, false)
  return root
}
