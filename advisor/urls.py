from django.urls import path

from advisor.views import funds, goals, level, onboarding, orders, preferences, proposals, purchases, statements
from advisor.views.home import home

urlpatterns = [
    path("", home, name="home"),
    # Proposals and goals
    path("proposals/<int:pk>/", proposals.proposal, name="proposal"),
    path("proposals/<int:pk>/progress/", proposals.proposal_progress, name="proposal_progress"),
    path("proposals/<int:pk>/accept/", proposals.proposal_accept, name="proposal_accept"),
    path("goals/<int:pk>/", goals.goal, name="goal"),
    path("goals/<int:pk>/proposals/", goals.proposal_new, name="proposal_new"),
    # Onboarding and preferences
    path("start/", onboarding.onboarding, name="onboarding"),
    path("start/agreements/", onboarding.consents, name="onboarding_consents"),
    path("start/goal/", onboarding.goal, name="onboarding_goal"),
    path("start/questions/<slug:item>/", onboarding.question, name="onboarding_question"),
    path("start/check/", onboarding.check_answers, name="onboarding_check"),
    path("start/contradictions/", onboarding.contradictions, name="onboarding_contradictions"),
    path("start/again/", onboarding.answer_again, name="onboarding_again"),
    path("start/result/", level.result, name="onboarding_result"),
    path("level/changed/", level.life_event, name="life_event"),
    path("assessments/<int:pk>/answers.json", level.assessment_json, name="assessment_json"),
    path("assessments/<int:pk>/answers.csv", level.assessment_csv, name="assessment_csv"),
    path("call-me/", onboarding.call_me, name="call_me"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("statement/", statements.statement, name="statement"),
    path("statement/pdf/", statements.statement_pdf, name="statement_pdf"),
    # Funds and own orders
    path("funds/", funds.fund_list, name="fund_list"),
    path("funds/<str:code>/", funds.fund, name="fund"),
    path("orders/", orders.order_list, name="order_list"),
    # Buying and redeeming on one's own initiative
    path("funds/<str:code>/buy/", purchases.purchase_new, name="purchase_new"),
    path("purchases/<int:pk>/", purchases.purchase, name="purchase"),
    path("purchases/<int:pk>/acknowledge/", purchases.purchase_acknowledge, name="purchase_acknowledge"),
    path("purchases/<int:pk>/order/", purchases.purchase_order, name="purchase_order"),
    path("purchases/<int:pk>/withdraw/", purchases.purchase_withdraw, name="purchase_withdraw"),
    path("goals/<int:pk>/redeem/<str:code>/", purchases.redeem, name="redeem"),
    path("proposals/<int:pk>/explanation/", purchases.proposal_warning, name="proposal_warning"),
]
