// A real browser at one page: `node browser.mjs CHROMIUM URL PROFILE STEP...` with steps `wait:TEXT` and `press:KEY`.
//
// The page draws a terminal on a canvas, so its text is read where it comes in: from the frames of its web socket.
import { chromium } from "playwright-core";

const [executablePath, url, profile, ...steps] = process.argv.slice(2);
const LIMIT_MS = 60_000;

const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  viewport: { width: 1600, height: 900 },
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
let seen = "";
let wake = () => {};
try {
  const page = await context.newPage();
  page.on("websocket", (socket) =>
    socket.on("framereceived", ({ payload }) => {
      // What is drawn, without the terminal's own sequences.
      seen += payload.toString().replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "");
      wake();
    }),
  );
  await page.goto(url);
  await page.locator(".xterm-helper-textarea").waitFor({ state: "attached", timeout: LIMIT_MS });
  for (const step of steps) {
    const [kind, what] = [step.slice(0, step.indexOf(":")), step.slice(step.indexOf(":") + 1)];
    if (kind === "press") {
      seen = "";
      await page.locator(".xterm-helper-textarea").focus();
      await page.keyboard.press(what);
    } else {
      const end = Date.now() + LIMIT_MS;
      while (!seen.includes(what)) {
        if (Date.now() > end) throw new Error(`the page never showed ${JSON.stringify(what)}; last: ${seen.slice(-2000)}`);
        await new Promise((resolve) => {
          wake = resolve;
          setTimeout(resolve, 1000);
        });
      }
    }
    console.log(`done ${step}`);
  }
} finally {
  await context.close();
}
