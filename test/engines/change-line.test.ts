import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { type Ear, line } from '../../src/engines/change-line.ts'

/** A line whose connections and sends are in the test's hand. */
function opened(send: (name: string) => Promise<void> = async () => {}) {
  const ears: Ear[] = []
  const closed: number[] = []
  const sent: string[] = []
  const told: string[] = []
  const channel = line({
    name: 'hand',
    open(ear) {
      const number = ears.push(ear) - 1
      return { close: () => void closed.push(number) }
    },
    send(name) {
      sent.push(name)
      return send(name)
    },
  })
  channel.listen({ changed: (id) => told.push(id), lost: () => told.push('lost') })
  return { channel, ears, closed, sent, told }
}

/** Whether a barrier has come through by now. */
async function passed(barrier: Promise<void>): Promise<boolean> {
  const turn = new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))
  return Promise.race([barrier.then(() => true), turn])
}

function clockOf(t: TestContext): { now: number } {
  const clock = { now: 1_000_000 }
  t.mock.method(performance, 'now', () => clock.now)
  return clock
}

describe('line: barriers', () => {
  test('one comes through when its own name is heard, and not before', async () => {
    const { channel, ears, sent } = opened()
    ears[0]!.ready()
    const [first, second] = [channel.barrier(), channel.barrier()]
    assert.equal(await passed(second), false)
    ears[0]!.heard('another')
    ears[0]!.heard(sent[1]!)
    assert.deepEqual([await passed(first), await passed(second)], [false, true])
  })

  test('before the connection is open, and after it is gone, one fails at once, says why, and sends nothing', async () => {
    const { channel, ears, sent, told } = opened()
    await assert.rejects(channel.barrier(), /not open yet/)
    ears[0]!.ready()
    ears[0]!.gone(new Error('the server said no'))
    await assert.rejects(channel.barrier(), /the server said no/)
    assert.deepEqual([sent, told], [[], ['lost']])
    ears[0]!.ready()
    void channel.barrier()
    assert.equal(sent.length, 1)
  })

  test('one that was sent before a break does not come through after it', async () => {
    const { channel, ears, sent } = opened()
    ears[0]!.ready()
    const barrier = channel.barrier()
    ears[0]!.gone(new Error('broken'))
    ears[0]!.ready()
    ears[0]!.heard(sent[0]!)
    assert.equal(await passed(barrier), false)
  })

  test('one that could not be sent fails, and says nothing against the connection', async (t) => {
    const clock = clockOf(t)
    const { channel, ears } = opened(async () => {
      throw new Error('full')
    })
    ears[0]!.ready()
    await assert.rejects(channel.barrier(), /full/)
    clock.now += 5_001
    await assert.rejects(channel.barrier(), /full/)
    assert.equal(ears.length, 1)
  })

  test('those that wait are bounded', async () => {
    const { channel, ears, sent } = opened()
    ears[0]!.ready()
    const barriers = Array.from({ length: 17 }, () => channel.barrier())
    for (const name of sent) ears[0]!.heard(name)
    const through = await Promise.all(barriers.map(passed))
    assert.equal(through.filter(Boolean).length, 16)
  })
})

describe('line: connections', () => {
  test('one on which a barrier is not heard for five seconds is dead: it is closed, and another is opened', async (t) => {
    const clock = clockOf(t)
    const { channel, ears, closed, told } = opened()
    ears[0]!.ready()
    void channel.barrier()
    clock.now += 5_000
    void channel.barrier()
    assert.equal(ears.length, 1)
    clock.now += 1
    await assert.rejects(channel.barrier(), /was dead/)
    assert.deepEqual([ears.length, closed, told], [2, [0], ['lost']])
    await assert.rejects(channel.barrier(), /not open yet/)
    ears[1]!.ready()
    assert.equal(await passed(channel.barrier()), false)
    assert.equal(ears.length, 2)
  })

  test('what the old one says afterwards counts for nothing', async (t) => {
    const clock = clockOf(t)
    const { channel, ears, told } = opened()
    ears[0]!.ready()
    void channel.barrier()
    clock.now += 5_001
    await assert.rejects(channel.barrier(), /was dead/)
    ears[0]!.ready()
    await assert.rejects(channel.barrier(), /not open yet/)
    ears[1]!.ready()
    told.length = 0
    ears[0]!.gone(new Error('closed'))
    ears[0]!.changed('a')
    ears[0]!.all()
    assert.deepEqual(told, [])
    void channel.barrier()
    ears[1]!.changed('b')
    ears[1]!.all()
    assert.deepEqual(told, ['b', 'lost'])
  })

  test('one that is over is opened anew at the next barrier; one that comes back by itself is let', async () => {
    const { channel, ears, closed } = opened()
    ears[0]!.gone(new Error('comes back'))
    await assert.rejects(channel.barrier(), /comes back/)
    assert.equal(ears.length, 1)
    ears[0]!.gone(new Error('is over'), true)
    ears[0]!.gone(new Error('is closed'))
    await assert.rejects(channel.barrier(), /is closed/)
    assert.deepEqual([ears.length, closed], [2, [0]])
    await assert.rejects(channel.barrier(), /not open yet/)
    assert.equal(ears.length, 2)
  })

  test('a closed channel stays closed, and opens nothing', async (t) => {
    const clock = clockOf(t)
    const { channel, ears, closed } = opened()
    ears[0]!.ready()
    void channel.barrier()
    await channel.close()
    clock.now += 60_000
    await assert.rejects(channel.barrier(), /is closed/)
    ears[0]!.ready()
    await assert.rejects(channel.barrier(), /is closed/)
    assert.deepEqual([ears.length, closed], [1, [0]])
  })
})
