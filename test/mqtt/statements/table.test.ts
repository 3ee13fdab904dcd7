// Every normative statement has a test, or a reason why it has none; the conformance table says so and is not out of date.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { root } from '../../kit/sources.ts'
import { countsOf, problemsOf, read, readChecklist, readStatements, renew, tableOf, tablePath, tagsIn, versions } from './table.ts'

describe('the table', () => {
  const checklist = readChecklist()
  const reading = read(readStatements())

  test('every statement of MQTT 5.0 and 3.1.1 has a test or a reason', (t) => {
    for (const version of versions) {
      const { statements, tested, bindClients, notTestable, open } = countsOf(checklist, reading.mentions, version)
      t.diagnostic(
        `MQTT ${version}: ${statements} statements; ${tested} tested, ${bindClients} bind only clients, ${notTestable} not testable, ${open} open`,
      )
    }
    const problems = problemsOf(checklist, reading)
    assert.equal(problems.length, 0, `\n  ${problems.join('\n  ')}\n`)
  })

  test('CONFORMANCE.md is what the tests say', () => {
    const page = readFileSync(join(root, tablePath), 'utf8')
    assert.ok(page === tableOf(checklist, reading.mentions), `${tablePath} is out of date; renew it with: ${renew}`)
  })
})

describe('its reader', () => {
  const source = (text: string) => [{ path: 'test/mqtt/statements/x.test.ts', text }]
  const checklist = '# words\n## 5.0\nMQTT-1.0.0-1\nMQTT-1.0.0-2\n\n## 3.1.1\nMQTT-1.0.0-1\n'

  test('reads the checklist', () => {
    assert.deepEqual(tagsIn(checklist), ['5.0 MQTT-1.0.0-1', '5.0 MQTT-1.0.0-2', '3.1.1 MQTT-1.0.0-1'])
  })

  test('finds calls on one line and on many, in any quotes, and none in comments or strings', () => {
    const text = [
      "statement(['5.0 [MQTT-1.0.0-1]'], 'one [line], with a bracket', async () => {})",
      'statement(',
      "  ['5.0 [MQTT-1.0.0-2]', // why",
      '    "3.1.1 [MQTT-1.0.0-1]",',
      '  ],',
      "  `the hub's | own`,",
      '  async () => {},',
      ')',
      "bindsClients(['5.0 [MQTT-1.0.0-2]'], 'it\\'s theirs')",
      "// untestable(['5.0 [MQTT-1.0.0-1]'], 'no')",
      "const text = \"untestable(['5.0 [MQTT-1.0.0-1]'], 'no')\"",
      'function statement(tags: readonly Tag[], behaviour: string) {}',
    ].join('\n')
    const { mentions, problems } = read(source(text))
    assert.deepEqual(problems, [])
    assert.deepEqual(
      mentions.map(({ kind, tags, says }) => [kind, tags, says]),
      [
        ['statement', ['5.0 MQTT-1.0.0-1'], 'one [line], with a bracket'],
        ['statement', ['5.0 MQTT-1.0.0-2', '3.1.1 MQTT-1.0.0-1'], "the hub's | own"],
        ['bindsClients', ['5.0 MQTT-1.0.0-2'], "it's theirs"],
      ],
    )
  })

  test('refuses what it cannot read', () => {
    const wrong = [
      "statement(tags, 'a sentence', run)",
      "statement([...tags], 'a sentence', run)",
      "statement(['5.0 [MQTT-1.0.0-1]', tag], 'a sentence', run)",
      "statement([], 'a sentence', run)",
      "statement(['MQTT-1.0.0-1'], 'a sentence', run)",
      "statement(['5 [MQTT-1.0.0-1]'], 'a sentence', run)",
      "statement(['5.0 [MQTT-1.0.0-1]'], sentence, run)",
      "statement(['5.0 [MQTT-1.0.0-1]'], '', run)",
      `statement(['5.0 [MQTT-1.0.0-1]'], \`QoS \${qos}\`, run)`,
    ]
    for (const text of wrong) assert.equal(read(source(text)).problems.length, 1, text)
  })

  test('finds a tag without a line, an unknown one, and one that is said to bind both', () => {
    const text = [
      "statement(['5.0 [MQTT-1.0.0-1]', '5.0 [MQTT-9.0.0-1]'], 'a sentence', run)",
      "bindsClients(['3.1.1 [MQTT-1.0.0-1]'], 'theirs')",
      "untestable(['3.1.1 [MQTT-1.0.0-1]'], 'inside')",
    ].join('\n')
    assert.deepEqual(problemsOf(checklist, read(source(text))), [
      'x.test.ts names 5.0 MQTT-9.0.0-1, which tags.txt does not.',
      '3.1.1 MQTT-1.0.0-1 stands in bindsClients and in untestable.',
      '5.0 MQTT-1.0.0-2 has no test, and no reason why not.',
    ])
  })

  test('writes a line for each tag in the order of the checklist', () => {
    const text = [
      "untestable(['5.0 [MQTT-1.0.0-2]'], 'inside')",
      "statement(['5.0 [MQTT-1.0.0-1]'], 'a | b', run)",
      "statement(['5.0 [MQTT-1.0.0-1]'], 'c', run)",
    ].join('\n')
    const page = tableOf(checklist, read(source(text)).mentions)
    assert.deepEqual(
      page.split('\n').filter((line) => /^\| (5|3|MQTT)/.test(line)),
      [
        '| 5.0 | 2 | 1 | 0 | 1 | 0 |',
        '| 3.1.1 | 1 | 0 | 0 | 0 | 1 |',
        '| MQTT-1.0.0-1 | a \\| b (`x.test.ts`)<br>c (`x.test.ts`) |',
        '| MQTT-1.0.0-2 | *not testable*: inside |',
        '| MQTT-1.0.0-1 | open |',
      ],
    )
  })
})
