import { describe, expect, test } from 'vitest';
import { rivetkitDatabase, sessionActor } from '../../../src/adapters/rivetkit/index.ts';

const agents = { launch: () => Promise.reject(new Error('No agent is started here.')) };

describe('RivetKit is brought by whoever uses it', () => {
  test.each([
    ['db', { db: undefined, UserError: Error }],
    ['UserError', { db: {}, UserError: undefined }],
  ])('sessionActor without %s says what to install', (missing, given) => {
    const make = () => sessionActor({ agents, ...given } as never);
    expect(make).toThrow(expect.objectContaining({ code: 'invalid_argument', data: { missing, install: 'rivetkit' } }));
    expect(make).toThrow(/npm install rivetkit/);
  });

  test('an actor without a database says what to install', () => {
    expect(() => rivetkitDatabase(undefined as never)).toThrow(/npm install rivetkit.*rivetkit\/db/);
  });
});
