// The pictures in README and docs: taken of a real supervisor at work. Written where PAGE_TESTS=all.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { about, describeWhole, go, type PageWorld, startBrowser, startWorld } from './page-kit.ts';

const FOLDER = join(import.meta.dirname, '../../docs/images');
const MOST_BYTES = 200_000;

describeWhole('the pictures of the page', () => {
  let browser: Browser;
  let world: PageWorld;

  beforeAll(async () => {
    browser = await startBrowser();
    const minutes = (ago: number) => new Date(Date.now() - ago * 60_000).toISOString();
    const print = (line: string) => `for n in $(seq 1 600); do echo "[$n] ${line}"; sleep 1; done`;
    world = await startWorld(
      {
        '': [
          {
            id: 'deploy-staging',
            title: 'Deploy to staging',
            executor: 'deploy-agent',
            last_interaction_at: minutes(1400),
          },
          { id: 'smoke-test', title: 'Smoke-test staging', after: ['deploy-staging'] },
          { id: 'announce', title: 'Announce the release', after: ['smoke-test'] },
          {
            id: 'weekly-report',
            title: 'Weekly report',
            schedule: '0 18 * * 5',
            exec: 'true',
            created_at: minutes(0),
          },
          {
            id: 'nightly-index',
            title: 'Rebuild the search index',
            schedule: '30 2 * * *',
            exec: 'true',
            created_at: minutes(0),
          },
        ],
        checkout: [
          {
            id: 'design-cart',
            title: 'Design the cart',
            status: 'done',
            created_at: minutes(200),
            completed_at: minutes(30),
          },
          {
            id: 'build-cart',
            title: 'Build the cart page',
            after: ['design-cart'],
            executor: 'human',
            created_at: minutes(190),
          },
          {
            id: 'cart-api',
            title: 'Cart API with idempotent writes',
            after: ['design-cart'],
            exec: print('POST /cart/items 201 in 12 ms'),
            created_at: minutes(180),
            description: 'Writes must be safe to repeat: the client sends a key with every one.',
            tags: ['area/api'],
            verify: 'npm test',
          },
          { id: 'payment-form', title: 'Payment form', after: ['build-cart', 'cart-api'] },
          { id: 'cart-tests', title: 'End-to-end tests', after: ['payment-form'] },
          { id: 'cart-docs', title: 'Document the cart', after: ['payment-form'] },
          { id: 'release-cart', title: 'Release the cart', after: ['cart-tests', 'cart-docs'] },
          {
            id: 'price-rounding',
            title: 'Fix price rounding',
            exec: 'echo "rounding.test.ts: expected 10.01, got 10.00" >&2; exit 2',
          },
        ],
        search: [
          { id: 'index-schema', title: 'Index schema', exec: 'echo the schema has 14 fields' },
          {
            id: 'search-api',
            title: 'Search API',
            after: ['index-schema'],
            exec: print('GET /search?q=lamp 200 in 8 ms'),
          },
          {
            id: 'ranking',
            title: 'Tune the ranking',
            after: ['index-schema'],
            exec: print('epoch done, loss 0.31'),
          },
          { id: 'facets', title: 'Facets', after: ['index-schema'], exec: print('facet counted') },
          { id: 'search-page', title: 'Search page', after: ['search-api', 'ranking'] },
        ],
        'fraud-rules': [
          { id: 'fraud-model', title: 'Train the fraud model', exec: print('batch done') },
          { id: 'examples', title: 'Examples', exec: 'echo 12 examples run' },
        ],
      },
      '[supervisor]\nmax_concurrent = 6\n[retry]\nattempts = 1\n[api]\nlisten = "127.0.0.1:0"\n[executors.human]\ntype = "external"\n',
    );
    await Promise.all(
      ['price-rounding', 'examples', 'index-schema'].map((id) => world.running.event('run.settled', id)),
    );
    await world.running.event('run.started', 'cart-api');
    await world.api.post('/api/task/build-cart/claim', { worker_id: 'ada', lease_s: 0 });
    await world.api.post('/api/task/build-cart/input', {
      question: 'Stripe or Adyen for card payments?',
      options: ['Stripe', 'Adyen'],
    });
  });
  afterAll(async () => {
    await browser.close();
    await world.stop();
  });

  async function take(page: Page, name: string): Promise<void> {
    await page.getByText('Looking…').first().waitFor({ state: 'detached' });
    const bytes = await page.screenshot({ animations: 'disabled', caret: 'hide' });
    expect(bytes.length).toBeLessThan(MOST_BYTES);
    await mkdir(FOLDER, { recursive: true });
    await writeFile(join(FOLDER, `${name}.png`), bytes);
  }

  test('home, a task and the graph', async () => {
    const { page } = await world.open(browser, { viewport: { width: 1280, height: 860 } });
    await page.getByText('Stripe or Adyen').first().waitFor();
    await page.evaluate('document.activeElement?.blur()');
    await take(page, 'page-home');
    const checkout = join(world.playground.folder, 'checkout');
    await go(page, about('task', 'cart-api', checkout));
    await page.getByRole('log').getByText('[3] POST').waitFor();
    await take(page, 'page-task');
    await go(page, about('graph', 'payment-form', checkout));
    await page.getByRole('heading', { name: 'Around payment-form' }).waitFor();
    await take(page, 'page-graph');
    await page.context().close();
  });
});
